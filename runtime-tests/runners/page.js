// @ts-check
// For browsers: the result as a property of the window, once it is there.
import { runSuite } from '../suite.js'

runSuite('chromium').then((result) => Object.assign(globalThis, { posternResult: result }))
