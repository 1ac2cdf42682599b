import type { Schema } from '../schema.js'
export function checkSchema(_schema: Schema): void {}
