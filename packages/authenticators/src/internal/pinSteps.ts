/** What the server says in pin/v1, read on the app: a step that is none is `pin.protocol`. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import type { PinStep, PinSuite } from '../pin/messages.js'
import { opaqueSuites } from './pinSuites.js'

/** A first step, checked: the members are signed, so they must be what they seem. @throws PosternError `pin.protocol` */
export function asked(
  step: unknown,
  ask: 'request' | 'ke1',
): { enrolment: string; generation: number; suite: PinSuite; nonce: Uint8Array } {
  const { enrolment, generation, suite } = fits(step, ask) as Extract<PinStep, { ask: 'request' | 'ke1' }>
  if (typeof enrolment !== 'string' || !/^[0-9a-f]{32}$/.test(enrolment)) throw protocol('enrolment')
  if (!Number.isInteger(generation) || generation < 1 || generation > 0xffffffff) throw protocol('generation')
  if (!Object.hasOwn(opaqueSuites, suite)) throw protocol('suite')
  return { enrolment, generation, suite, nonce: bytesOf(step, ask, 'nonce', 32) }
}

/** Bytes of a member, of one length. @throws PosternError `pin.protocol` */
export function bytesOf(step: unknown, ask: PinStep['ask'], member: string, length: number): Uint8Array {
  const value = fits(step, ask)[member]
  const bytes = typeof value === 'string' ? decodeBase64url(value) : null
  if (bytes === null || bytes.length !== length) throw protocol(member)
  return bytes
}

function fits(step: unknown, ask: PinStep['ask']): Readonly<Record<string, unknown>> {
  if (typeof step !== 'object' || step === null || (step as Record<string, unknown>)['ask'] !== ask)
    throw protocol(`expected ${ask}`)
  return step as Readonly<Record<string, unknown>>
}

/** A member as the wire has it. */
export function text(bytes: Uint8Array): string {
  return encodeBase64url(bytes)
}

/** The refusal of what no server of this protocol says. */
export function protocol(reason: string): PosternError<'pin.protocol'> {
  return new PosternError('pin.protocol', { reason })
}
