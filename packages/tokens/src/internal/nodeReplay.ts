/** The `jti`s that one process has seen: two generations, the older dropped when all its proofs are too old to pass. */
import { PosternError } from '@postern/core/errors'
import type { Clock } from '@postern/core/runtime'
import type { Proof } from '../dpop.js'

/**
 * A full set refuses and never evicts: a flood must not reopen a replay.
 * @throws PosternError `dpop.full`
 */
export function nodeReplay(clock: Clock, max: number): (proof: Proof, until: number) => Promise<boolean> {
  let young = new Set<string>()
  let old = new Set<string>()
  let turnAt = 0
  return async ({ jkt, jti }, until) => {
    const now = clock()
    if (now >= turnAt) {
      // Everything in `old` was put there a whole life ago or more, unless the clock slept: then both are over.
      old = now >= turnAt + (until - now) ? new Set() : young
      young = new Set()
      turnAt = until
    }
    const name = `${jkt} ${jti}`
    if (young.has(name) || old.has(name)) return false
    if (young.size + old.size >= max) throw new PosternError('dpop.full')
    young.add(name)
    return true
  }
}
