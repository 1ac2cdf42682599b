/** Sealed challenges: everything that must survive between two messages, in the client's hands, unread and unchanged. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, equal, hex, u8, u32, u64 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Ports } from '@postern/core/runtime'
import type { Sealer } from '@postern/core/sealed'
import { lp } from '@postern/core/tuple'
import type { Op } from '@postern/store'
import type { Ceremony, Purpose } from '../authenticator.js'
import { type Context, purposeBytes, purposeOf } from './context.js'
import { type ByteReader, byteReader } from './reader.js'

/** What every handle carries: CONTEXT's own members, a nonce and an end. */
export interface Challenge {
  readonly device: string
  readonly enrolment: string
  readonly generation: number
  readonly purpose: Purpose
  readonly bind: Uint8Array | null
  /** 32 bytes. */
  readonly nonce: Uint8Array
  /** ms */
  readonly expiresAt: number
}

/** How long a challenge lives: 5 minutes, in ms. */
export const challengeMs = 300_000

/** Bytes of a bind. */
const BIND = 32

/** D of the partition `dev:<client_id>`, or `null`. */
export function deviceOf(c: Ceremony): string | null {
  return c.part.id.startsWith('dev:') ? c.part.id.slice(4) : null
}

/** D of a handle: of the device's own partition, in a user's the device that proved itself, or empty. */
export function holderOf(c: Ceremony): string {
  return deviceOf(c) ?? c.device?.id ?? ''
}

/** A challenge of a ceremony, made now; its generation is 0. */
export function newChallenge(
  c: Ceremony,
  o: Pick<Ports, 'clock' | 'random'>,
  enrolment: string,
  lifeMs: number = challengeMs,
): Challenge {
  const { purpose, bind } = c
  return { device: holderOf(c), enrolment, generation: 0, purpose, bind, nonce: o.random(32), expiresAt: o.clock() + lifeMs }
}

/** `u8 1 ‖ lp(D) ‖ lp(E) ‖ u32 g ‖ u8 purpose ‖ lp(bind) ‖ n(32) ‖ u64 exp`, and what the handle's type adds. */
export function encodeChallenge(c: Challenge, ...rest: readonly Uint8Array[]): Uint8Array {
  return concat(challengeHead(c), c.nonce, u64(c.expiresAt), ...rest)
}

/** The part that handles of all types begin with. */
export function challengeHead(c: Omit<Challenge, 'nonce' | 'expiresAt'>): Uint8Array {
  return concat(u8(1), lp(c.device), lp(c.enrolment), u32(c.generation), u8(purposeBytes[c.purpose]), lp(c.bind ?? ''))
}

/** Reads the head. @throws RangeError */
export function readHead(r: ByteReader): Omit<Challenge, 'nonce' | 'expiresAt'> {
  if (r.unsigned(1) !== 1) throw new RangeError('version')
  const device = r.text()
  const enrolment = r.text()
  const generation = r.unsigned(4)
  const purpose = purposeOf(r.unsigned(1))
  const bind = r.lp()
  if (purpose === null || (bind.length !== 0 && bind.length !== BIND)) throw new RangeError('challenge')
  return { device, enrolment, generation, purpose, bind: bind.length === 0 ? null : bind }
}

/** Reads a challenge. @throws RangeError */
export function readChallenge(r: ByteReader): Challenge {
  return { ...readHead(r), nonce: r.take(32), expiresAt: r.unsigned(8) }
}

/** Seals a handle of a type for the ceremony's tenant, issuer and the purpose. */
export async function sealHandle(seal: Sealer, c: Ceremony, type: string, purpose: Purpose, bytes: Uint8Array): Promise<string> {
  return encodeBase64url(await seal.seal({ type, tenant: c.tenant, issuer: c.issuer, purpose }, bytes))
}

/** The inside of a handle, read by `read`, or `null` for every way of being wrong. */
export async function openHandle<T>(
  seal: Sealer,
  c: Ceremony,
  type: string,
  purpose: Purpose,
  read: (r: ByteReader) => T,
  maxChars = 4096,
): Promise<T | null> {
  const sealed = typeof c.handle === 'string' && c.handle.length <= maxChars ? decodeBase64url(c.handle) : null
  const bytes = sealed === null ? null : await seal.open({ type, tenant: c.tenant, issuer: c.issuer, purpose }, sealed)
  if (bytes === null) return null
  try {
    const r = byteReader(bytes)
    const value = read(r)
    r.end()
    return value
  } catch {
    return null
  }
}

/** Whether a handle was made for this device and what it confirms; the enrolment only where the ceremony names one. */
export function belongs(c: Ceremony, h: Omit<Challenge, 'nonce' | 'expiresAt'>): boolean {
  if (h.device !== holderOf(c)) return false
  if (c.enrolment !== null && c.enrolment.id !== h.enrolment) return false
  return h.bind === null || c.bind === null ? h.bind === c.bind : equal(h.bind, c.bind)
}

/** CONTEXT of a handle, as the ceremony sees it. */
export function contextMembers(c: Ceremony, h: Omit<Challenge, 'nonce' | 'expiresAt'>): Context {
  const { device, enrolment, generation, purpose, bind } = h
  return { issuer: c.issuer, tenant: c.tenant, app: c.app, device, enrolment, generation, purpose, bind }
}

/** `ch/` + the first 32 hex digits of SHA-256(nonce): written once, it burns the challenge. */
export async function markerKey(crypto: CryptoPort, nonce: Uint8Array): Promise<string> {
  return `ch/${hex(await crypto.digest('SHA-256', nonce)).slice(0, 32)}`
}

/** The op that burns a challenge; `value` tells a repeated request from another one. */
export function burn(key: string, value: Uint8Array, expiresAt: number): Op & { readonly op: 'put' } {
  return { op: 'put', key, value, rev: null, expiresAt }
}
