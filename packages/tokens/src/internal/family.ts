/**
 * The refresh family: one record. The token *is* the record and its `rev`, sealed deterministically, so the next record is built without
 * a read, and whoever holds record and `rev` can repeat the very bytes a lost reply held.
 */
import { equal, fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Client } from '../clients.js'
import type { Guard, TokenKind } from '../login.js'
import { openBytes, sealSame } from './handles.js'
import type { Kit } from './kit.js'

/** What was granted, and to whom. */
export interface Grant {
  readonly subject: string
  /** Of a pairwise client: the sector that its `sub` is for. */
  readonly sector?: string
  readonly clientId: string
  readonly clientKind: 'instance' | 'shared'
  readonly kind: TokenKind
  readonly scope: readonly string[]
  readonly resource: string
  readonly acr: string
  readonly amr: readonly string[]
  readonly authTime: number
  readonly sid: string | null
  readonly nonce: string | null
  /** The key its tokens are bound to: always an instance's; a shared public client's from its first proof. */
  readonly jkt: string | null
  /** The certificate they are bound to, as `x5t#S256` (RFC 8705 §3); absent for most. */
  readonly x5t?: string
  /** The instance it was given to, of a client whose instances are attested: thumbprint of its key. */
  readonly holder?: string
  /** Granted `authorization_details` (RFC 9396), each with its `type`; absent for most. */
  readonly details?: readonly JsonObject[]
  readonly facts: JsonObject | null
  /** The client's `app` when it was granted. */
  readonly app?: JsonObject
  /** Of a grant with a device secret: what ties its ID tokens to it. */
  readonly dsHash?: string
  /** The client's own epoch when it was granted, where its port knows one. */
  readonly clientEpoch?: string
}

/** Whether a shared client was revoked since (`revoke({ client })`). */
export function outlivesClient({ clientEpoch }: Pick<Grant, 'clientEpoch'>, { epoch }: Pick<Client, 'epoch'>): boolean {
  return (clientEpoch ?? null) === (epoch ?? null)
}

export interface Family {
  readonly v: 1
  readonly status: 'live'
  readonly id: string
  readonly gen: number
  readonly prevRev: string | null
  readonly rotatedAt: number
  /** The sealing key of this generation's token: a retry after the ring turned still gets the same bytes. */
  readonly sealKid: string
  readonly created: number
  readonly absoluteExp: number
  readonly idleMs: number
  /** The partition it lives in; it follows from the grant, at the cost of an HMAC. */
  readonly part: string
  /** Epochs alone. */
  readonly guards: readonly Guard[]
  readonly seen: JsonObject | null
  readonly grant: Grant
}

const REV_CHARACTERS = 16
const REVOKED: Uint8Array = /* @__PURE__ */ utf8('{"v":1,"status":"revoked"}')
const LIVE: Uint8Array = /* @__PURE__ */ utf8('{"v":1,"status":"live",')

export function familyKey(id: string): string {
  return `fam/${id}`
}

/** The record's JSON by its object: it is written into the store and again into the token. */
const texts: WeakMap<Family, string> = /* @__PURE__ */ new WeakMap()

function textOf(family: Family): string {
  let text = texts.get(family)
  if (text === undefined) texts.set(family, (text = JSON.stringify(family)))
  return text
}

export function encodeFamily(family: Family): Uint8Array {
  return utf8(textOf(family))
}

/** The value of a tombstone. */
export function revokedFamily(): Uint8Array {
  return REVOKED
}

/** Whether a record is a live family's, told by how it begins. @throws PosternError `store.schema_unknown` */
export function isLiveFamily(value: Uint8Array): boolean {
  return equal(value.subarray(0, LIVE.length), LIVE) || decodeFamily(value) !== null
}

/** The live family of a record's value, or `null` for a tombstone. @throws PosternError `store.schema_unknown` */
export function decodeFamily(value: Uint8Array): Family | null {
  const family = JSON.parse(fromUtf8(value) ?? 'null') as Family | { readonly v: 1; readonly status: 'revoked' } | null
  if (family?.v !== 1) throw new PosternError('store.schema_unknown')
  return family.status === 'live' ? family : null
}

/** When the store may forget the record: its end, or too long without use. */
export function expiryOf(family: Family): number {
  return Math.min(family.absoluteExp, family.rotatedAt + family.idleMs)
}

/** The next generation: a pure function of the token, so that every node computes the same. */
export function step(family: Family, rev: string, now: number, sealKid: string, seen: JsonObject | null): Family {
  return { ...family, gen: family.gen + 1, prevRev: rev, rotatedAt: now, sealKid, seen }
}

/** What a token that lost its compare-and-swap means, by what stands there now. */
export function verdict(
  token: { readonly family: Family; readonly rev: string },
  current: Family | null,
  now: number,
  graceMs: number,
): 'gone' | 'retry' | 'reuse' {
  if (current === null) return 'gone'
  // Once the successor was used, gen is two ahead: "successor unused" needs no flag.
  const successor = current.gen === token.family.gen + 1 && current.prevRev === token.rev
  return successor && now <= current.rotatedAt + graceMs ? 'retry' : 'reuse'
}

/** The refresh token of a record under its `rev`. */
export async function refreshToken(kit: Kit, family: Family, rev: string): Promise<string> {
  return sealSame(kit, 'refresh', utf8(rev + textOf(family)), family.sealKid)
}

/** Record and `rev` of a refresh token, or `null`. */
export async function openRefreshToken(
  kit: Kit,
  text: string,
): Promise<{ readonly family: Family; readonly rev: string } | null> {
  const bytes = await openBytes(kit, 'refresh', text)
  if (bytes === null) return null
  const family = decodeFamily(bytes.subarray(REV_CHARACTERS))
  const rev = fromUtf8(bytes.subarray(0, REV_CHARACTERS))
  return family === null || rev === null ? null : { family, rev }
}
