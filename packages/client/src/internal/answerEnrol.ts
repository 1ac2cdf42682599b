/** Authenticators that the app's screens answer, while they are enrolled. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { Enrolment } from '../client.js'
import type { Prompts } from '../prompts.js'
import { askUser, type Exchange, type Said } from './answering.js'
import type { Kit } from './kit.js'
import { type Reply, refusal, textOf } from './net.js'
import { cancelled, type Operation } from './operation.js'
import type { InstanceState } from './state.js'

/** @throws PosternError `client.cancelled` | what the server refused with */
export async function enrolByAnswer(
  kit: Kit,
  instance: InstanceState,
  token: string,
  type: string,
  prompts: Prompts,
  op: Operation,
): Promise<Enrolment> {
  const post = (end: 'begin' | 'finish', json: JsonObject): Promise<Reply> =>
    kit.net.ask({ method: 'POST', path: `/enrolments/${type}/${end}`, key: instance, token, json }, op)
  const exchange: Exchange<Reply> = {
    begin: async (handle, step) => saidOf(await post('begin', handle === null ? {} : { handle, step })),
    finish: (handle, step) => post('finish', { handle, step }),
  }
  const last =
    type === 'otp' ? await newSecret(exchange, prompts, op) : await askUser(type, { exchange, purpose: 'enrol', prompts, op })
  if (last === null) throw cancelled()
  if (last.status !== 201) throw refusal(last)
  return { id: textOf(last.body['enrolment'] as JsonObject, 'id'), type }
}

/** The secret, and the first code made with it; a wrong one changes nothing, so it may be typed again. */
async function newSecret(exchange: Exchange<Reply>, prompts: Prompts, op: Operation): Promise<Reply | null> {
  const asked = await exchange.begin(null, null)
  if (!asked.ok) throw new PosternError(asked.code)
  const { uri, digits } = asked.step
  const question = {
    secret: textOf(asked.step, 'secret'),
    ...(typeof uri === 'string' ? { uri } : {}),
    digits: typeof digits === 'number' ? digits : 6,
  }
  for (let wrong = false; ; wrong = true) {
    const code = await op.wait(prompts.newSecret!({ ...question, ...(wrong ? { reason: 'wrong' as const } : {}) }, op.signal))
    if (code === null) return null
    const last = await exchange.finish(asked.handle, { code })
    if (last.status < 300 || last.body['code'] !== 'authenticator.failed') return last
  }
}

/** A step, or a no that may be tried again; any other refusal is thrown. */
export function saidOf(reply: Reply): Said {
  const { status, body } = reply
  const left = body['attempts_left']
  const attemptsLeft = typeof left === 'number' ? left : null
  if (status < 300) return { ok: true, handle: textOf(body, 'handle'), step: stepIn(body['step']), attemptsLeft }
  const error = refusal(reply)
  if (error.code !== 'authenticator.failed') throw error
  return { ok: false, code: error.code, attemptsLeft }
}

function stepIn(step: JsonValue | undefined): JsonObject {
  if (typeof step === 'object' && step !== null && !Array.isArray(step)) return step as JsonObject
  throw new PosternError('net.unreachable', { reason: 'the answer has no step' })
}
