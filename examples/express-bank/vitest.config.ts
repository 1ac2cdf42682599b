import { project } from '../../tools/vitest.js'

export default project('express-bank')
