// @ts-check
// For runtimes that run a module by path: Node, Deno, Bun. One line of JSON, exit code 1 on a failure.
import { runSuite } from '../suite.js'

const result = await runSuite()
console.log(JSON.stringify(result))
if (result.failures.length > 0) globalThis.process?.exit(1)
