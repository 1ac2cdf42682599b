/** Where the grant behind an access token lives: sealed into its `jti`, or beside the claims of an opaque one, so that introspection is one read. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import type { Kit } from './kit.js'

export interface TokenHandle {
  /** Names the token: under it, it is revoked alone. */
  readonly id: string
  readonly part: string
  readonly family: { readonly id: string; readonly row: boolean } | null
  /** Whether the session epoch is among the guards. */
  readonly session: boolean
  /** The epochs' revs at issuing, in the order of their keys, or `null` when none were read. */
  readonly revs: readonly (string | null)[] | null
  /** The host's subject, where `sub` is a pairwise one. */
  readonly subject?: string
  /** Of an exchanged token: whose grant it comes from, and the marks of the tokens before it. */
  readonly exchanged?: {
    /** The client that the grant was made to: its epochs count, not those of the token's holder. */
    readonly grantee: string
    /** `at/…` keys of every token it was made from: revoking one of them ends it. */
    readonly marks: readonly string[]
  }
}

/** What is in a token, signed or sealed. */
export interface TokenContent {
  readonly claims: JsonObject
  readonly handle: TokenHandle
  /** Of the key that signed it; `null` for a sealed one. */
  readonly kid: string | null
}

/** A handle as JSON writes it: in the order below, 0 for what is absent. It is in every token, so names are left out. */
export type PackedHandle = readonly [
  id: string,
  part: string,
  family: string | 0,
  flags: number,
  revs: readonly (string | null)[] | 0,
  subject: string | 0,
  exchanged: readonly [grantee: string, ...marks: string[]] | 0,
]

const ROW = 1
const SESSION = 2

export function packHandle({ id, part, family, session, revs, subject, exchanged }: TokenHandle): PackedHandle {
  const flags = (family?.row ? ROW : 0) | (session ? SESSION : 0)
  const from = exchanged === undefined ? 0 : ([exchanged.grantee, ...exchanged.marks] as const)
  return [id, part, family?.id ?? 0, flags, revs ?? 0, subject ?? 0, from]
}

/** The handle of what a seal has vouched for. */
export function unpackHandle([id, part, family, flags, revs, subject, from]: PackedHandle): TokenHandle {
  return {
    id,
    part,
    family: family === 0 ? null : { id: family, row: (flags & ROW) !== 0 },
    session: (flags & SESSION) !== 0,
    revs: revs === 0 ? null : revs,
    ...(subject !== 0 && { subject }),
    ...(from !== 0 && { exchanged: { grantee: from[0], marks: from.slice(1) } }),
  }
}

/** A `jti` that holds a handle. */
export async function sealTokenHandle(kit: Kit, handle: TokenHandle): Promise<string> {
  return encodeBase64url(await kit.short.seal(kit.scope('jti'), utf8(JSON.stringify(packHandle(handle)))))
}

/** The handle of a `jti`, or `null`. */
export async function openTokenHandle(kit: Kit, jti: string): Promise<TokenHandle | null> {
  const sealed = decodeBase64url(jti)
  const bytes = sealed === null ? null : await kit.short.open(kit.scope('jti'), sealed)
  return bytes === null ? null : unpackHandle(JSON.parse(fromUtf8(bytes)!) as PackedHandle)
}
