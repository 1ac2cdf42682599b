/** Challenges for evidence and key proof: sealed, stateless, five minutes long. The record that a challenge leads to is its single use. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, toUnsigned, u64 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Clock, Random } from '@postern/core/runtime'
import type { Sealer, SealScope } from '@postern/core/sealed'
import { json } from './http.js'

/** How long a challenge is good. */
export const challengeMs = 300_000
const NONCE_BYTES = 32

export interface Challenges {
  /** `POST /challenge`. */
  issue(): Promise<Response>
  /** The 32 bytes behind a challenge. @throws PosternError `challenge.invalid` for every way of being wrong */
  open(challenge: string): Promise<Uint8Array>
}

export function createChallenges(o: {
  sealer: Sealer
  scope: Omit<SealScope, 'type' | 'purpose'>
  clock: Clock
  random: Random
}): Challenges {
  const { sealer, clock, random } = o
  const scope: SealScope = { ...o.scope, type: 'challenge', purpose: 'evidence' }
  return {
    async issue() {
      const nonce = random(NONCE_BYTES)
      const handle = await sealer.seal(scope, concat(nonce, u64(clock() + challengeMs)))
      return json({ challenge: encodeBase64url(handle), nonce: encodeBase64url(nonce), expires_in: challengeMs / 1000 })
    },
    async open(challenge) {
      const handle = challenge.length <= 512 ? decodeBase64url(challenge) : null
      const opened = handle === null ? null : await sealer.open(scope, handle)
      if (opened === null || opened.length !== NONCE_BYTES + 8) throw new PosternError('challenge.invalid')
      if (toUnsigned(opened.subarray(NONCE_BYTES)) <= clock()) throw new PosternError('challenge.invalid', { reason: 'expired' })
      return opened.slice(0, NONCE_BYTES)
    },
  }
}
