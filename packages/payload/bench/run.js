// `node bench/run.js [prefix …]`: the cases whose names begin so, by default all. One JSON line a case and peer.
import { sealCases } from './seal.js'
import { sessionCases } from './session.js'
import { sizeCases } from './size.js'

const prefixes = process.argv.slice(2)
const wanted = (name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
await sessionCases(wanted)
await sealCases(wanted)
await sizeCases(wanted)
