/** Where the grant behind an access token lives: sealed into its `jti`, or beside the claims of an opaque one, so that introspection is one read. */
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

const ROW = 1
const SESSION = 2
const DIGEST = 4
const SUBJECT = 8
const EXCHANGED = 16
const NOTHING = new Uint8Array(0)
const DIGEST_BYTES = 8

/** The bytes of a handle. */
export function encodeTokenHandle({ part, family, session, digest, subject, exchanged }: TokenHandle): Uint8Array {
  const flags =
    (family?.row ? ROW : 0) |
    (session ? SESSION : 0) |
    (digest === null ? 0 : DIGEST) |
    (subject === undefined ? 0 : SUBJECT) |
    (exchanged === undefined ? 0 : EXCHANGED)
  return concat(
    u8(flags),
    lp(part),
    lp(family?.id ?? ''),
    digest ?? NOTHING,
    subject === undefined ? NOTHING : lp(subject),
    exchanged === undefined ? NOTHING : concat(lp(exchanged.grantee), lp(exchanged.marks.join(' '))),
  )
}

/** The handle of bytes that a seal has vouched for. */
export function decodeTokenHandle(bytes: Uint8Array): TokenHandle {
  const flags = bytes[0]!
  let at = 1
  const field = (): string => {
    const start = at + 2
    at = start + bytes[at]! * 256 + bytes[at + 1]!
    return fromUtf8(bytes.subarray(start, at)) ?? ''
  }
  const part = field()
  const id = field()
  const digest = (flags & DIGEST) === 0 ? null : bytes.slice(at, (at += DIGEST_BYTES))
  const subject = (flags & SUBJECT) === 0 ? {} : { subject: field() }
  const exchanged = (flags & EXCHANGED) === 0 ? {} : { exchanged: { grantee: field(), marks: field().split(' ') } }
  return {
    part,
    family: id === '' ? null : { id, row: (flags & ROW) !== 0 },
    session: (flags & SESSION) !== 0,
    digest,
    ...subject,
    ...exchanged,
  }
}

/** A `jti` that holds a handle. */
export async function sealTokenHandle(kit: Kit, handle: TokenHandle): Promise<string> {
  return encodeBase64url(await kit.short.seal(kit.scope('jti'), encodeTokenHandle(handle)))
}

/** The handle of a `jti`, or `null`. */
export async function openTokenHandle(kit: Kit, jti: string): Promise<TokenHandle | null> {
  const sealed = decodeBase64url(jti)
  const bytes = sealed === null ? null : await kit.short.open(kit.scope('jti'), sealed)
  return bytes === null ? null : decodeTokenHandle(bytes)
}
