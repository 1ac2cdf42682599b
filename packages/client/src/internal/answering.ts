/** What a user, a browser or another app answers for an authenticator, over whatever carries it: a login, an enrolment, a confirmation. */
import { type ErrorCode, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { AnswerPurpose, CodeQuestion, CustomQuestion, Prompts } from '../prompts.js'
import type { Operation } from './operation.js'

/** A step to be answered, or why the answer before was none. */
export type Said =
  | { readonly ok: true; readonly handle: string; readonly step: JsonObject; readonly attemptsLeft: number | null }
  | { readonly ok: false; readonly code: ErrorCode; readonly attemptsLeft: number | null }

/** How steps travel. A `null` handle begins anew. Terminal refusals are thrown. */
export interface Exchange<T> {
  begin(handle: string | null, answer: JsonValue | null): Promise<Said>
  finish(handle: string, answer: JsonValue | null): Promise<T>
}

export interface Answering<T> {
  readonly exchange: Exchange<T>
  readonly purpose: AnswerPurpose
  readonly prompts: Prompts
  readonly op: Operation
}

/** Whether the app has a screen for an authenticator of this type. */
export function answerable(type: string, prompts: Prompts): boolean {
  if (type === 'webauthn') return prompts.passkey !== undefined
  if (type === 'otp' || type === 'code') return prompts.code !== undefined
  return type.startsWith('custom:') && prompts.custom !== undefined
}

/**
 * Answers until the authenticator has what it needs.
 * @returns what the last answer led to; `null` when the user went back
 * @throws PosternError `authenticator.*` | what the exchange throws
 */
export function askUser<T>(type: string, a: Answering<T>): Promise<T | null> {
  if (type === 'webauthn') return answerPasskey(a)
  return type === 'otp' || type === 'code' ? answerCode(type, a) : answerCustom(type, a)
}

async function answerPasskey<T>({ exchange, purpose, prompts, op }: Answering<T>): Promise<T | null> {
  const asked = must(await exchange.begin(null, null))
  const given = await op.wait(prompts.passkey!({ purpose, publicKey: asked.step['publicKey'] ?? null }, op.signal))
  return given === null ? null : exchange.finish(asked.handle, given)
}

/** Asked again while it is wrong: how often that may be is counted by the server. */
async function answerCode<T>(type: 'otp' | 'code', { exchange, purpose, prompts, op }: Answering<T>): Promise<T | null> {
  let asked = must(await exchange.begin(null, null))
  let more: Pick<CodeQuestion, 'reason' | 'attemptsLeft'> = {}
  for (;;) {
    const { digits, question } = asked.step
    const given = await op.wait(
      prompts.code!(
        {
          type,
          purpose,
          digits: typeof digits === 'number' ? digits : 6,
          ...(typeof question === 'string' ? { question } : {}),
          ...more,
        },
        op.signal,
      ),
    )
    if (given === null) return null
    if (typeof given !== 'string') {
      asked = must(await exchange.begin(null, null))
      more = {}
      continue
    }
    const said = await exchange.begin(asked.handle, { code: given })
    if (said.ok) return exchange.finish(said.handle, null)
    if (said.code !== 'authenticator.failed') throw new PosternError(said.code)
    more = { reason: 'wrong', ...(said.attemptsLeft === null ? {} : { attemptsLeft: said.attemptsLeft }) }
  }
}

async function answerCustom<T>(type: string, { exchange, purpose, prompts, op }: Answering<T>): Promise<T | null> {
  let said = must(await exchange.begin(null, null))
  while (said.step['ask'] !== 'finish') {
    const { outcome, reply } = said.step
    const question: CustomQuestion = {
      type,
      purpose,
      again: outcome === 'retry',
      reply: reply ?? null,
      ...(said.attemptsLeft === null ? {} : { attemptsLeft: said.attemptsLeft }),
    }
    const given = await op.wait(prompts.custom!(question, op.signal))
    if (given === undefined) return null
    said = must(await exchange.begin(said.handle, { answer: given }))
  }
  return exchange.finish(said.handle, null)
}

function must(said: Said): Extract<Said, { ok: true }> {
  if (said.ok) return said
  throw new PosternError(said.code)
}
