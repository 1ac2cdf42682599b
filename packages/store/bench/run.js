// @ts-check
// One JSON line a case: ours against the peer that does the same in the raw, medians of interleaved rounds.
import { memoryCases } from './memory.bench.js'
import { postgresCases } from './postgres.bench.js'
import { redisCases } from './redis.bench.js'
import { sealedCases } from './sealed.bench.js'
import { sqliteCases } from './sqlite.bench.js'

for (const run of [memoryCases, sealedCases, sqliteCases, postgresCases, redisCases])
  for (const line of await run()) console.log(JSON.stringify(line))
