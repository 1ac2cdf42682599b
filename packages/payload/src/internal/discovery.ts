/** Fetches a gateway's keys and says what of them to seal to. Loaded when keys are first wanted. */
import { fromUtf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type KeyDocument, verifyKeyDocument } from '../keys.js'
import type { KeyConfig } from '../ohttp.js'
import { decodeKeyConfigs, encodeOne } from './keyConfig.js'
import type { Known, KnownKeysOptions, Target } from './knownKeys.js'
import { bodyOf, mediaType } from './messages.js'
import { KEYS_TYPE } from './ohttpWire.js'
import { KEY_DOCUMENT_TYPE, WELL_KNOWN } from './wire.js'

const MAX_DOCUMENT_BYTES = 16_384
const UNSIGNED_LIFE_MS = 3_600_000

/**
 * The keys of now.
 * @param known - those before, which the new ones must not fall behind
 * @throws PosternError `payload.transport` | `payload.keys_*`
 */
export async function discover(o: KnownKeysOptions, known: Known | null): Promise<Known> {
  const { origin, roots, seen } = o
  const { clock, crypto } = o.runtime
  const { body, type } = await get(o, roots === null ? KEYS_TYPE : KEY_DOCUMENT_TYPE)
  if (roots === null) {
    if (type !== KEYS_TYPE) throw transport('not a list of key configurations')
    const target = choose(o, `${origin}${WELL_KNOWN}`, decodeKeyConfigs(body), null)
    return { text: '', seq: 0, expiresAt: clock() + UNSIGNED_LIFE_MS, target }
  }
  const text = fromUtf8(body)
  if (type !== KEY_DOCUMENT_TYPE || text === null) throw transport('not a key document')
  const highest = Math.max((await seen?.get()) ?? 0, known?.seq ?? 0)
  const before = known !== null && known.seq === highest ? { seq: highest, text: known.text } : { seq: highest }
  const document = await verifyKeyDocument(crypto, text, { roots, origin, now: clock(), seen: before })
  const target = choose(o, document.gateway, document.keys, document)
  if (document.seq > highest) await seen?.set(document.seq)
  return { text, seq: document.seq, expiresAt: document.exp * 1000, target }
}

async function get(
  { origin, runtime: { fetch } }: KnownKeysOptions,
  accept: string,
): Promise<{ body: Uint8Array; type: string }> {
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

function choose(
  { kems, aeads }: KnownKeysOptions,
  gateway: string,
  configs: readonly KeyConfig[],
  signed: Pick<KeyDocument, 'session'> | null,
): Target {
  for (const config of configs) {
    const aead = aeads.find((id) => config.suites.some((suite) => suite.aead === id))
    if (kems.includes(config.kem) && aead !== undefined)
      return { gateway, config, configBytes: encodeOne(config), aead, session: signed?.session ?? null }
  }
  throw new PosternError('payload.keys_untrusted', { reason: 'no key with a KEM and AEAD that is allowed here' })
}

function transport(reason: string, cause?: unknown): PosternError<'payload.transport'> {
  return new PosternError('payload.transport', { reason, cause })
}
