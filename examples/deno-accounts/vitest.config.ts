import { project } from '../../tools/vitest.js'

export default project('deno-accounts')
