/** `POST /authorize-challenge` as the app speaks it: what is asked, what may be answered, and the one refusal shape. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { errorCodes } from '@postern/core/errorCodes'
import { type ErrorCode, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { Choice } from '../prompts.js'
import { type Net, type Reply, refusal, textOf } from './net.js'
import type { Operation } from './operation.js'
import type { InstanceState } from './state.js'

/** A step of an authenticator, to be answered. */
export interface Asked {
  /** Enrolment id. */
  readonly authenticator: string
  readonly handle: string
  readonly step: JsonValue
}

/** More is needed. */
export interface Open {
  readonly kind: 'open'
  readonly authSession: string
  readonly choices: readonly Choice[]
  readonly fallback: readonly { readonly from: string; readonly on: readonly string[] }[]
  readonly step: Asked | null
  /** Why the answer before was none. */
  readonly code: ErrorCode | null
  readonly attemptsLeft: number | null
  /** Whether these choices stand in for one that could not be used. */
  readonly fallen?: true
}

/** Enough: a code to redeem. */
export interface Done {
  readonly kind: 'done'
  readonly code: string
  readonly failures: number
}

export type Answer = Open | Done

/** @throws PosternError what the server refused with */
export async function askChallenge(
  net: Net,
  instance: InstanceState,
  form: Readonly<Record<string, string>>,
  op: Operation,
): Promise<Answer> {
  const call = {
    method: 'POST',
    path: '/authorize-challenge',
    key: instance,
    form: { ...form, client_id: instance.clientId },
  } as const
  const reply = await net.ask(call, op)
  const { body, status } = reply
  if (status === 200) {
    const { failures } = body
    return { kind: 'done', code: textOf(body, 'authorization_code'), failures: typeof failures === 'number' ? failures : 0 }
  }
  if (body['error'] !== 'insufficient_authorization' || typeof body['auth_session'] !== 'string') throw refusal(reply)
  return openOf(reply)
}

/** `step` of the form: base64url of JSON. */
export function stepOf(handle: string, step: unknown, finish: boolean): string {
  return encodeBase64url(utf8(JSON.stringify({ handle, step, finish })))
}

function openOf({ body }: Reply): Open {
  const { code, attempts_left } = body
  return {
    kind: 'open',
    authSession: textOf(body, 'auth_session'),
    choices: list(body['choices']).map((one) => ({
      id: textOf(one, 'id'),
      type: textOf(one, 'type'),
      preferred: one['preferred'] === true,
    })),
    fallback: list(body['fallback']).map((one) => ({ from: textOf(one, 'from'), on: words(one['on']) })),
    step: askedOf(body['step']),
    code: typeof code === 'string' && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : null,
    attemptsLeft: typeof attempts_left === 'number' ? attempts_left : null,
  }
}

function askedOf(value: JsonValue | undefined): Asked | null {
  if (value === undefined || value === null) return null
  const step = object(value)
  return { authenticator: textOf(step, 'authenticator'), handle: textOf(step, 'handle'), step: step['step'] ?? null }
}

function list(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).map(object) : []
}

function words(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((one): one is string => typeof one === 'string') : []
}

function object(value: JsonValue): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PosternError('net.unreachable', { reason: 'the answer has another form' })
  return value as JsonObject
}
