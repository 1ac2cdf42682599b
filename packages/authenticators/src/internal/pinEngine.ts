/** The OPAQUE engine behind pin/v1, by default our own. */

import { concat, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { createKe2, createRegistrationResponse, fakeRecord, finishLogin } from '../opaque/server.js'
import { type OpaqueSuite, sizes } from '../opaque/suite.js'
import type { PinKeys } from '../pin/keys.js'
import { opaqueRefused } from './primeOrder.js'

/** Any engine that takes OPAQUE's `context` fits. All but `finish` throw PosternError `opaque.refused` for what is no message. */
export interface OpaqueServerEngine {
  registrationResponse(i: {
    readonly request: Uint8Array
    readonly credentialIdentifier: Uint8Array
    readonly keys: PinKeys
  }): Promise<Uint8Array>
  /** Checks KE1's size and elements before an attempt is counted. */
  check(ke1: Uint8Array): Now<void>
  /** Checks a record's size and key before it is stored. */
  checkRecord(record: Uint8Array): Now<void>
  /** `record: null` makes RFC 9807's fake record: same work, and no KE3 fits. `seed`: 64 bytes that no other KE1 and record share. */
  ke2(i: Ke2Request): Promise<{ readonly ke2: Uint8Array; readonly state: Uint8Array }>
  /** The session key, or `null`; compared in constant time. */
  finish(state: Uint8Array, ke3: Uint8Array): Promise<Uint8Array | null>
}

/** What KE2 is made from. */
export interface Ke2Request {
  readonly record: Uint8Array | null
  readonly ke1: Uint8Array
  readonly credentialIdentifier: Uint8Array
  readonly context: Uint8Array
  readonly clientIdentity: Uint8Array
  readonly serverIdentity: Uint8Array
  readonly seed: Uint8Array
  readonly keys: PinKeys
}

/** Our own engine over one configuration. */
export function opaqueEngine(s: OpaqueSuite, crypto: CryptoPort): OpaqueServerEngine {
  return {
    registrationResponse: (i) => createRegistrationResponse(s, i),
    async check(ke1) {
      if (ke1.length !== sizes(s).ke1) throw opaqueRefused('KE1 size')
      s.oprf.check(ke1.subarray(0, s.oprf.Noe))
      await s.group.check(ke1.subarray(-s.group.Npk))
    },
    async checkRecord(record) {
      if (record.length !== sizes(s).record) throw opaqueRefused('record size')
      await s.group.check(record.subarray(0, s.group.Npk))
    },
    async ke2({ record, keys, seed, ...rest }) {
      const random = s.expand(seed, utf8('postern:pin/v1:ke2'), 96)
      // Both are made, so that a record that exists costs what one that does not costs.
      const masking = await crypto.hmac(await crypto.hmacKey('SHA-512', keys.fakeSeed), rest.credentialIdentifier)
      const fake = fakeRecord(s, keys.fakePublicKey, masking.subarray(0, s.Nh))
      const randomness = {
        maskingNonce: random.slice(0, 32),
        serverNonce: random.slice(32, 64),
        keyshareSeed: random.slice(64, 96),
      }
      return createKe2(s, { ...rest, ...randomness, keys, record: record ?? fake })
    },
    finish: async (state, ke3) => finishLogin(s, concat(state), ke3),
  }
}
