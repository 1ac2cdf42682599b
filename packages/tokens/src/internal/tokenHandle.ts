/** The `jti` of an access token: sealed, it says where the grant lives, so that introspection is one read. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, fromUtf8, u8 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { Kit } from './kit.js'

export interface TokenHandle {
  readonly part: string
  readonly family: { readonly id: string; readonly row: boolean } | null
  /** Whether the session epoch is among the guards. */
  readonly session: boolean
  /** Digest of the epochs at issuing, or `null` when none were read. */
  readonly digest: Uint8Array | null
}

const ROW = 1
const SESSION = 2
const DIGEST = 4

export async function sealTokenHandle(kit: Kit, { part, family, session, digest }: TokenHandle): Promise<string> {
  const flags = (family?.row ? ROW : 0) | (session ? SESSION : 0) | (digest === null ? 0 : DIGEST)
  const plaintext = concat(u8(flags), lp(part), lp(family?.id ?? ''), digest ?? new Uint8Array(0))
  return encodeBase64url(await kit.short.seal(kit.scope('access'), plaintext))
}

export async function openTokenHandle(kit: Kit, jti: string): Promise<TokenHandle | null> {
  const sealed = decodeBase64url(jti)
  const bytes = sealed === null ? null : await kit.short.open(kit.scope('access'), sealed)
  if (bytes === null) return null
  const flags = bytes[0]!
  const [part, afterPart] = field(bytes, 1)
  const [id, afterId] = field(bytes, afterPart)
  return {
    part,
    family: id === '' ? null : { id, row: (flags & ROW) !== 0 },
    session: (flags & SESSION) !== 0,
    digest: (flags & DIGEST) === 0 ? null : bytes.slice(afterId),
  }
}

function field(bytes: Uint8Array, at: number): readonly [string, number] {
  const end = at + 2 + bytes[at]! * 256 + bytes[at + 1]!
  return [fromUtf8(bytes.subarray(at + 2, end)) ?? '', end]
}
