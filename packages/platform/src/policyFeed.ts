/** The policy in force for a resource server in another process: fetched by age from the admin API, believed only when its bytes hash to its version. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { anyObject } from '@postern/core/fields'
import { parseJson } from '@postern/core/json'
import { readByAge } from '@postern/core/readByAge'
import type { Clock, Fetch } from '@postern/core/runtime'
import type { Compiled } from '@postern/policy/compile'
import { parseDocument } from '@postern/policy/document'
import { type MobileSpec, mobileSchema } from '@postern/policy/mobile'
import { openPolicy } from '@postern/policy/publish'
import { readBytes } from './internal/http.js'

export interface PolicyFeedOptions {
  /** `…/admin/v1/policies/{id}`. */
  readonly url: string
  /** An operator token with `policy:read`. */
  readonly token: () => string | Promise<string>
  readonly fetch: Fetch
  readonly crypto: CryptoPort
  readonly clock: Clock
  /** How old a policy may be before it is asked for again; default 1,000 ms. */
  readonly maxAgeMs?: number
  /** How old it may be when it cannot be had; then calls are refused. Default 300,000 ms. */
  readonly maxStaleMs?: number
}

const MAX_BYTES = 8 * 1024 * 1024

/** @returns the compiled policy; rejects with `policy.version_unknown` when none fresh enough can be had */
export function policyFeed(o: PolicyFeedOptions): () => Promise<Compiled<MobileSpec>> {
  const { maxAgeMs = 1_000, maxStaleMs = 300_000 } = o
  async function ask(held: Compiled<MobileSpec> | null): Promise<Compiled<MobileSpec>> {
    const headers: Record<string, string> = { authorization: `Bearer ${await o.token()}`, accept: 'application/json' }
    if (held !== null) headers['if-none-match'] = `"${held.version}"`
    // A redirect is no 200 and so refused: Workers have no `error`.
    const answer = await o.fetch(o.url, { headers, redirect: 'manual' })
    if (answer.status === 304 && held !== null) return held
    if (answer.status !== 200) throw new PosternError('policy.version_unknown', { reason: `status ${answer.status}` })
    const { version, document } = anyObject(
      parseJson(await readBytes(answer, MAX_BYTES), { maxBytes: MAX_BYTES, maxMembers: 200_000 }),
    )
    if (typeof version !== 'string' || document === undefined)
      throw new PosternError('policy.version_unknown', { reason: 'body' })
    // The canonical form is what the version is the hash of: a document changed on the way is not it.
    const { bytes } = parseDocument(document)
    return openPolicy(mobileSchema, { version, bytes }, o.crypto)
  }

  // After a failure too: an admin API that is away is asked once in `maxAgeMs`, not by every call.
  const kept = readByAge(ask, { clock: o.clock, maxAgeMs, maxStaleMs, retryMs: maxAgeMs })
  return () =>
    kept.current().catch((cause: unknown) => {
      throw new PosternError('policy.version_unknown', { cause })
    })
}
