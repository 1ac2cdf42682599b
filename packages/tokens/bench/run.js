// `node bench/run.js [prefix …]`: the cases whose names begin so, by default all. A line a case; none fails on its target.
import { inProcessCases } from './inProcess.js'
import { serverCases } from './servers.js'

const prefixes = process.argv.slice(2)
const wanted = (name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
await inProcessCases(wanted)
await serverCases(wanted)
