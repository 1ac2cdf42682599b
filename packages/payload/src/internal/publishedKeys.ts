/** The signed document beside the ring: one for all nodes, signed again when the ring moved or half its life is over. */
import { decodeBase64url } from '@postern/core/base64url'
import { equal, fromUtf8, utf8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { newRev, OutcomeUnknown, type Rec, type Runtime } from '@postern/store'
import { DOCUMENT_LIFE_S, type KemRing, type KeyDocument, type SessionOffer, signKeyDocument } from '../keys.js'
import { encodeKeyConfigs } from '../ohttp.js'
import { peekPayload } from './keyDocument.js'

const MAX_TRIES = 5

/** A document as it is served. */
export interface Published {
  readonly text: string
  readonly document: KeyDocument
}

/** Reads, or signs and writes, the current document. */
export function publishedKeys(o: {
  readonly runtime: Runtime
  readonly tenant: string
  readonly origin: string
  readonly gateway: string
  readonly root: Signer
  /** What sessions are offered; `null` for none. */
  readonly session: SessionOffer | null
}): (ring: KemRing) => Promise<Published> {
  const { runtime, tenant, origin, gateway, root, session } = o
  const { store, clock, crypto, random } = runtime
  const part = { tenant, id: 'keys:payload' }
  const key = 'document'
  let rootKid: string | undefined
  let cached: Published | null = null

  async function isCurrent({ text, document }: Published, ring: KemRing, now: number): Promise<boolean> {
    rootKid ??= await thumbprint(crypto, root.publicJwk)
    const configs = ring.offered(now).map(({ config }) => config)
    return (
      document.origin === origin &&
      document.gateway === gateway &&
      now / 1000 < document.iat + DOCUMENT_LIFE_S / 2 &&
      signerOf(text) === rootKid &&
      equal(encodeKeyConfigs(document.keys), encodeKeyConfigs(configs)) &&
      JSON.stringify(document.session) === JSON.stringify(session)
    )
  }

  return async (ring) => {
    const now = clock()
    if (cached !== null && (await isCurrent(cached, ring, now))) return cached
    // A lost race is not an error: another node signed, and its bytes are the ones that all serve.
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const [rec] = await store.read(part, [key], { now })
      const standing = rec ? published(rec) : null
      if (standing !== null && (await isCurrent(standing, ring, now))) return (cached = standing)
      const iat = Math.floor(now / 1000)
      // Never below the clock: a store that was lost must not restart under what clients have seen.
      const seq = Math.max((standing?.document.seq ?? 0) + 1, iat)
      const keys = ring.offered(now).map(({ config }) => config)
      const document = { origin, gateway, seq, iat, exp: iat + DOCUMENT_LIFE_S, keys, session }
      const text = await signKeyDocument(crypto, root, document)
      try {
        const put = { op: 'put', key, value: utf8(text), rev: rec?.rev ?? null } as const
        const answer = await store.commit(part, [put], { now, rev: newRev(random) })
        if (answer.ok) return (cached = { text, document })
      } catch (error) {
        // Read again: what stands there decides.
        if (!(error instanceof OutcomeUnknown)) throw error
      }
    }
    throw new PosternError('store.unavailable', { reason: 'the key document could not be written' })
  }
}

function published(rec: Rec): Published {
  const text = fromUtf8(rec.value) ?? ''
  return { text, document: peekPayload(text) }
}

function signerOf(text: string): JsonValue | undefined {
  const header = decodeBase64url(text.split('.')[0] ?? '')
  return header === null ? undefined : (parseJson(header) as JsonObject)['kid']
}
