import { defineConfig } from 'tsup'
import { preset } from '../../tools/tsup.js'

const own = preset(import.meta.dirname)

// The binary is no module for anybody to import, so it is no export.
export default defineConfig({ ...own, entry: { ...(own.entry as Record<string, string>), bin: 'src/internal/bin.ts' } })
