/** The keys that a client seals to: fetched once for all who wait, believed by the rules, kept until they expire. */
import { fromUtf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { SealedFetchOptions } from '../client.js'
import type { AeadId } from '../hpke.js'
import { type KeyDocument, type SessionOffer, verifyKeyDocument } from '../keys.js'
import { decodeKeyConfigs, KEYS_TYPE, type KeyConfig } from '../ohttp.js'
import { bodyOf, mediaType } from './messages.js'
import { KEY_DOCUMENT_TYPE, WELL_KNOWN } from './wire.js'

/** Where and how to seal now. */
export interface Target {
  readonly gateway: string
  readonly config: KeyConfig
  readonly aead: AeadId
  /** Whether the gateway is known to take chunked messages: a signed document is of one that does. */
  readonly chunked: boolean
  /** What sessions are offered. */
  readonly session: SessionOffer | null
}

export interface KnownKeys {
  current(signal: AbortSignal): Promise<Target>
  /** Fetches again; a failure leaves what was there. */
  refresh(signal: AbortSignal): Promise<void>
  /** Fetches in the background when `seq` is above the one known. */
  newer(seq: number): void
  forget(): void
}

interface Known {
  readonly text: string
  readonly seq: number
  /** Milliseconds. */
  readonly expiresAt: number
  readonly target: Target
}

const MAX_DOCUMENT_BYTES = 16_384
const UNSIGNED_LIFE_MS = 3_600_000
export const NATIVE_AES: readonly AeadId[] = [0x0002, 0x0003, 0x0001]
export const SLOW_AES: readonly AeadId[] = [0x0003, 0x0002, 0x0001]

/** @param o.roots - `null` trusts TLS alone and the literal list */
export function knownKeys(
  o: Omit<SealedFetchOptions, 'roots'> & { readonly roots: Exclude<SealedFetchOptions['roots'], symbol> | null },
): KnownKeys {
  const { origin, roots, seen, kems = [0x0020, 0x0010] } = o
  const { fetch, clock, crypto } = o.runtime
  const preferred = crypto.name === 'noble' ? SLOW_AES : NATIVE_AES
  let known: Known | null = null
  let pending: Promise<Known> | null = null

  async function load(): Promise<Known> {
    const { body, type } = await get(roots === null ? KEYS_TYPE : KEY_DOCUMENT_TYPE)
    if (roots === null) {
      if (type !== KEYS_TYPE) throw transport('not a list of key configurations')
      const gateway = `${origin}${WELL_KNOWN}`
      return { text: '', seq: 0, expiresAt: clock() + UNSIGNED_LIFE_MS, target: choose(gateway, decodeKeyConfigs(body), null) }
    }
    const text = fromUtf8(body)
    if (type !== KEY_DOCUMENT_TYPE || text === null) throw transport('not a key document')
    const highest = Math.max((await seen?.get()) ?? 0, known?.seq ?? 0)
    const before = known !== null && known.seq === highest ? { seq: highest, text: known.text } : { seq: highest }
    const document: KeyDocument = await verifyKeyDocument(crypto, text, { roots, origin, now: clock(), seen: before })
    const target = choose(document.gateway, document.keys, document)
    if (document.seq > highest) await seen?.set(document.seq)
    return { text, seq: document.seq, expiresAt: document.exp * 1000, target }
  }

  async function get(accept: string): Promise<{ body: Uint8Array; type: string }> {
    try {
      const response = await fetch(`${origin}${WELL_KNOWN}`, {
        headers: { accept },
        // A redirect is no 200 and so refused: Workers have no `error`.
        redirect: 'manual',
        credentials: 'omit',
        cache: 'no-cache',
      })
      if (response.status !== 200) throw transport(`status ${response.status}`)
      const body = await bodyOf(response, MAX_DOCUMENT_BYTES)
      if (body === null) throw transport('too large')
      return { body, type: mediaType(response.headers) }
    } catch (cause) {
      throw cause instanceof PosternError ? cause : transport('unreachable', cause)
    }
  }

  function choose(gateway: string, configs: readonly KeyConfig[], signed: Pick<KeyDocument, 'session'> | null): Target {
    for (const config of configs) {
      const aead = preferred.find((id) => config.suites.some((suite) => suite.aead === id))
      if (kems.includes(config.kem) && aead !== undefined)
        return { gateway, config, aead, chunked: signed !== null, session: signed?.session ?? null }
    }
    throw new PosternError('payload.keys_untrusted', { reason: 'no key with a KEM and AEAD that is allowed here' })
  }

  function single(): Promise<Known> {
    pending ??= load()
      .then((fresh) => (known = fresh))
      .finally(() => {
        pending = null
      })
    return pending
  }

  return {
    async current(signal) {
      if (known !== null && clock() < known.expiresAt) return known.target
      return (await unlessAborted(single(), signal)).target
    },
    async refresh(signal) {
      // The old document stays until its own end; what fails now fails then.
      await unlessAborted(single(), signal).catch(() => signal.throwIfAborted())
    },
    newer(seq) {
      if (known !== null && Number.isSafeInteger(seq) && seq > known.seq) single().catch(() => undefined)
    },
    forget() {
      known = null
    },
  }
}

/** The promise, or the signal's reason as soon as it aborts; the fetch goes on for the others who wait. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function transport(reason: string, cause?: unknown): PosternError<'payload.transport'> {
  return new PosternError('payload.transport', { reason, cause })
}
