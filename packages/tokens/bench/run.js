// `node bench/run.js [prefix …]`: the cases whose names begin so, by default all. A line a case; none fails on its target.
import { inProcessCases } from './inProcess.js'
import { serverCases } from './servers.js'
import { sizeCases } from './size.js'
import { raceCases, sqliteCase, tripCases } from './store.js'

const prefixes = process.argv.slice(2)
/** Whether a case is asked for, or, with a prefix in hand, any whose name begins with it. */
const wanted = (name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
await serverCases(wanted)
await inProcessCases(wanted)
await sqliteCase(wanted)
await tripCases(wanted)
await raceCases(wanted)
await sizeCases(wanted)
