/** The field `payload-session`, both ways: a dictionary of integers, byte sequences, lists of integers and flags. @see RFC 9651 §3.2, §4.2.2 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, u16 } from '@postern/core/bytes'
import type { AeadId, KemId } from '../hpke.js'

/** What a client offers to open a session with. */
export interface SessionShare {
  readonly kem: number
  readonly publicKey: Uint8Array
  /** In order of preference. */
  readonly aeads: readonly number[]
}

/** What a server opened. */
export interface SessionGrant {
  readonly id: Uint8Array
  readonly enc: Uint8Array
  /** Seconds from now. */
  readonly lifeS: number
  /** Calls. */
  readonly max: number
  /** Plaintext of a chunk in bytes, both ways. */
  readonly chunkBytes: number
  readonly aead: AeadId
  /** Whether the server knows who the caller is. */
  readonly bound: boolean
}

const MAX_FIELD = 4096
// Each space can be read in one way only: what does not match is found out in one pass.
const MEMBER =
  /([a-z*][a-z0-9_.*-]*)(?:=(?:([0-9]{1,15})|:([A-Za-z0-9+/]*={0,2}):|\( *((?:[0-9]{1,15}(?: +|(?=\))))*)\)|\?([01])))?/y
const COMMA = /[ \t]*,[ \t]*/y

/** `u16(kem) ‖ public key`: what the caller's proof covers. */
export function shareBytes({ kem, publicKey }: Pick<SessionShare, 'kem' | 'publicKey'>): Uint8Array {
  return concat(u16(kem), publicKey)
}

export function writeShare(kem: KemId, publicKey: Uint8Array, aeads: readonly AeadId[]): string {
  return `v=1, kem=${kem}, share=${sequence(publicKey)}, aead=(${aeads.join(' ')})`
}

/** `null` for what does not parse: it offers nothing. */
export function readShare(text: string | null): SessionShare | null {
  const members = dictionary(text)
  if (members?.get('v') !== 1) return null
  const [kem, publicKey, aeads] = ['kem', 'share', 'aead'].map((name) => members.get(name))
  if (!isU16(kem) || !(publicKey instanceof Uint8Array) || publicKey.length === 0 || !Array.isArray(aeads)) return null
  return { kem, publicKey, aeads }
}

export function writeGrant({ id, enc, lifeS, max, chunkBytes, aead, bound }: SessionGrant): string {
  const common = `v=1, id=${sequence(id)}, enc=${sequence(enc)}, exp=${lifeS}, max=${max}, chunk=${chunkBytes}, aead=${aead}`
  return bound ? `${common}, bound` : common
}

/** `null` for what does not parse. */
export function readGrant(text: string | null): SessionGrant | null {
  const members = dictionary(text)
  if (members?.get('v') !== 1) return null
  const [id, enc, lifeS, max, chunkBytes, aead] = ['id', 'enc', 'exp', 'max', 'chunk', 'aead'].map((name) => members.get(name))
  if (!(id instanceof Uint8Array) || id.length !== 16 || !(enc instanceof Uint8Array)) return null
  if (!isU32(lifeS) || !isU32(max) || !isU32(chunkBytes) || lifeS === 0 || max === 0 || chunkBytes === 0) return null
  if (aead !== 1 && aead !== 2 && aead !== 3) return null
  return { id, enc, lifeS, max, chunkBytes, aead, bound: members.get('bound') === true }
}

type Item = number | Uint8Array | readonly number[] | boolean

/** A member that stands twice counts as one that does not parse: two readers must not read two things. */
function dictionary(text: string | null): ReadonlyMap<string, Item> | null {
  if (text === null || text.length > MAX_FIELD) return null
  const members = new Map<string, Item>()
  for (let at = 0; ; ) {
    MEMBER.lastIndex = at
    const found = MEMBER.exec(text)
    if (found === null) return null
    const [, name, integer, base64, list, flag] = found
    const item = itemOf(integer, base64, list, flag)
    if (item === null || members.has(name!)) return null
    members.set(name!, item)
    at = MEMBER.lastIndex
    if (at === text.length) return members
    COMMA.lastIndex = at
    if (!COMMA.test(text)) return null
    at = COMMA.lastIndex
  }
}

function itemOf(integer?: string, base64?: string, list?: string, flag?: string): Item | null {
  if (integer !== undefined) return Number(integer)
  if (base64 !== undefined) return bytesOf(base64)
  if (list !== undefined) return list === '' ? [] : list.trimEnd().split(/ +/).map(Number)
  return flag !== '0'
}

function bytesOf(base64: string): Uint8Array | null {
  if (base64.length % 4 !== 0) return null
  return decodeBase64url(base64.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
}

function sequence(bytes: Uint8Array): string {
  const text = encodeBase64url(bytes).replaceAll('-', '+').replaceAll('_', '/')
  return `:${text.padEnd(Math.ceil(text.length / 4) * 4, '=')}:`
}

function isU16(item: Item | undefined): item is number {
  return typeof item === 'number' && item <= 0xffff
}

function isU32(item: Item | undefined): item is number {
  return typeof item === 'number' && item <= 0xffff_ffff
}
