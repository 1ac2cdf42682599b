/** `/enrolments` as the app speaks it. */
import type { PinExchange } from '@postern/authenticators/pin/client'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Kit } from './kit.js'
import { textOf } from './net.js'
import type { Operation } from './operation.js'
import type { InstanceState } from './state.js'

/** What the server keeps of the token's user on this device. */
export interface Listed {
  readonly ref: string
  readonly enrolments: readonly { readonly id: string; readonly type: string; readonly status: string }[]
}

export async function listEnrolments({ net }: Kit, instance: InstanceState, token: string, op: Operation): Promise<Listed> {
  const { body } = await net.demand({ method: 'GET', path: '/enrolments', key: instance, token }, op)
  const { enrolments } = body
  if (!Array.isArray(enrolments)) throw new PosternError('net.unreachable', { reason: 'the answer has no enrolments' })
  return {
    ref: textOf(body, 'subject_ref'),
    enrolments: (enrolments as readonly JsonObject[]).map((one) => ({
      id: textOf(one, 'id'),
      type: textOf(one, 'type'),
      status: textOf(one, 'status'),
    })),
  }
}

/** Begin and finish below a path, as the authenticators' client halves want them. */
export function exchangeOf({ net }: Kit, instance: InstanceState, token: string, path: string, op: Operation): PinExchange {
  const send = async (end: 'begin' | 'finish', json: unknown): Promise<JsonObject> =>
    (await net.demand({ method: 'POST', path: `${path}/${end}`, key: instance, token, json }, op)).body
  return {
    async begin(handle, answer) {
      const body = await send('begin', { ...(handle === null ? {} : { handle }), ...(answer === null ? {} : { step: answer }) })
      return { handle: textOf(body, 'handle'), step: body['step'], ...left(body) }
    },
    finish: (handle, answer) => send('finish', { handle, step: answer }),
  }
}

function left({ attempts_left }: JsonObject): { attemptsLeft?: number } {
  return typeof attempts_left === 'number' ? { attemptsLeft: attempts_left } : {}
}
