import { shardOf } from '@postern/store/shard'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)

/** Ways in which hosts name partitions; each gives a name by its number. */
const naming = fc.constantFrom<(seed: number, i: number) => string>(
  (_, i) => `u:${i}`,
  (_, i) => String(i).padStart(12, '0'),
  // Every character twice: sums and parities of characters say nothing of the name.
  (_, i) => String(i).replace(/./g, '$&$&'),
  (seed, i) => `${i}.${seed}`,
  (seed, i) => Math.imul(seed ^ i, 0x9e3779b9).toString(16),
  (_, i) => `dev:${'abcdefghijklmnop'[i & 15]}${i.toString(36)}`,
)

describe('logical shards', () => {
  it('are filled evenly, however partitions are named', () =>
    fc.assert(
      fc.property(naming, fc.nat(), fc.constantFrom(64, 128, 256, 512, 1024), (nameOf, seed, shards) => {
        const each = 50
        const counts = new Uint32Array(shards)
        const names = new Set(Array.from({ length: shards * each }, (_, i) => nameOf(seed, i)))
        for (const id of names) counts[shardOf({ tenant: 'bank', id }, shards)]!++
        const mean = names.size / shards
        const chi2 = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
        // Six standard deviations of chi-squared: a hash that is even fails once in many millions.
        expect(chi2).toBeLessThan(shards + 6 * Math.sqrt(2 * shards) + 12)
        expect(Math.max(...counts)).toBeLessThan(mean * 2)
      }),
      { numRuns },
    ))

  it('depend on tenant and id and nothing else', () =>
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9-]{1,63}$/), fc.stringMatching(/^[A-Za-z0-9._:~-]{1,128}$/), (tenant, id) => {
        const shard = shardOf({ tenant, id }, 1024)
        expect(shard).toBe(shardOf({ tenant, id }, 1024))
        expect(shard >= 0 && shard < 1024 && Number.isInteger(shard)).toBe(true)
      }),
      { numRuns },
    ))
})
