import { defineConfig } from 'tsup'
import { preset } from '../../tools/tsup.js'

export default defineConfig(preset(import.meta.dirname))
