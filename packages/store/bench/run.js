// @ts-check
// One JSON line a case: ours against the peer that does the same in the raw, medians of interleaved rounds.
import { memoryCases } from './memory.bench.js'
import { sqliteCases } from './sqlite.bench.js'

for (const run of [memoryCases, sqliteCases]) for (const line of await run()) console.log(JSON.stringify(line))
