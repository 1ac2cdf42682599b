// @ts-check
// For browsers: the result as a property of the window.
import { runSuite } from '../suite.js'

globalThis.posternResult = runSuite()
