/** CONTEXT: who, where and for what; inside every signature and every OPAQUE transcript. */
import { u32 } from '@postern/core/bytes'
import { tuple } from '@postern/core/tuple'
import type { Purpose } from '../authenticator.js'

/** The members of CONTEXT. */
export interface Context {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  /** D: the `client_id`; empty where no app instance takes part. */
  readonly device: string
  /** E: 32 lower-case hex digits; empty while it is not known which. */
  readonly enrolment: string
  /** g; 0 where unused. */
  readonly generation: number
  readonly purpose: Purpose
  /** 32 bytes, or `null` when nothing is bound. */
  readonly bind: Uint8Array | null
}

/** Bytes of a purpose inside handles. */
export const purposeBytes: Readonly<Record<Purpose, number>> = {
  enrol: 1,
  login: 2,
  'step-up': 3,
  confirm: 4,
  change: 5,
  activate: 6,
  remove: 7,
}

/** The purpose of a handle's byte, or `null`. */
export function purposeOf(byte: number): Purpose | null {
  const found = Object.entries(purposeBytes).find(([, value]) => value === byte)
  return found === undefined ? null : (found[0] as Purpose)
}

/** CONTEXT = T("postern:context/v1", proto, issuer, tenant, app, D, E, u32(g), purpose, bind). */
export function contextOf(proto: 'pin/v1' | 'key/v1' | 'webauthn/v1', c: Context): Uint8Array {
  const { issuer, tenant, app, device, enrolment, generation, purpose, bind } = c
  return tuple('postern:context/v1', proto, issuer, tenant, app, device, enrolment, u32(generation), purpose, bind ?? '')
}
