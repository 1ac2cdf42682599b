// @ts-check
// For runtimes that run a module by path: Node, Deno, Bun. The runtime's name is the argument; one line of JSON, exit code 1 on a failure.
import { runSuite } from '../suite.js'

const result = await runSuite(/** @type {import('../suite.js').Runtime} */ (process.argv[2]))
console.log(JSON.stringify(result))
process.exit(result.failures.length > 0 ? 1 : 0)
