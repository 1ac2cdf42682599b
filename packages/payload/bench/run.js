// `node bench/run.js [prefix …]`: the cases whose names begin so, by default all. One JSON line a case and peer.
import { bhttpCases } from './bhttp.js'
import { sealCases } from './seal.js'
import { sessionCases } from './session.js'
import { sizeCases } from './size.js'
import { streamCases } from './stream.js'

const prefixes = process.argv.slice(2)
const wanted = (name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
await sessionCases(wanted)
await sealCases(wanted)
await bhttpCases(wanted)
await streamCases(wanted)
await sizeCases(wanted)
