/**
 * Confirmations on the phone. Only what the server's own bytes say is shown, and their hash is signed; what decides is the authenticator that policy
 * asks for, bound to this answer.
 */
import { keyLoss } from '@postern/authenticators/deviceKey/client'
import {
  type Choice as Deciding,
  type OpenedTransaction,
  openTransaction,
  prepareDecision,
  signScan,
  type TransactionAnswer,
} from '@postern/authenticators/transaction/client'
import { type ErrorCode, isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Confirmed, Waiting } from '../client.js'
import type { SignCause } from '../ports.js'
import type { ConfirmQuestion, Prompts } from '../prompts.js'
import { answerable } from './answering.js'
import { fetchBundle } from './bundle.js'
import { type ProofWire, proveDecision, tellLost } from './confirmProof.js'
import { instanceOf, type Kit, profileOf } from './kit.js'
import { type Reply, refusal, textOf } from './net.js'
import { cancelled, type Operation } from './operation.js'
import { guarded, type InstanceState, type ProfileState } from './state.js'

/** A transaction of a user on this device, opened. */
export interface Opened {
  readonly id: string
  readonly opened: OpenedTransaction
  readonly choices: readonly { readonly id: string; readonly type: string }[]
  /** Ms. */
  readonly expiresAt: number
}

/** Who decides. */
export interface Decider {
  readonly kit: Kit
  readonly instance: InstanceState
  readonly profile: ProfileState
  readonly prompts: Prompts
  readonly op: Operation
}

/** More tries than any server gives. */
const MAX_ROUNDS = 8

export async function pending(kit: Kit, wanted: string | undefined, op: Operation): Promise<readonly Waiting[]> {
  const { instance, profile } = await whoIn(kit, wanted, op)
  const list = await waiting(kit, instance, profile, op)
  return list.map(({ id, opened, expiresAt }) => {
    const { rows, asksNumber } = opened
    return { id, profile: profile.id, rows, asksNumber, expiresAt }
  })
}

export async function confirm(
  kit: Kit,
  id: string,
  prompts: Prompts,
  wanted: string | undefined,
  op: Operation,
): Promise<Confirmed> {
  const { instance, profile } = await whoIn(kit, wanted, op)
  const found = (await waiting(kit, instance, profile, op)).find((one) => one.id === id)
  if (found === undefined) throw new PosternError('transaction.unknown')
  return decide({ kit, instance, profile, prompts, op }, found)
}

export async function scan(
  kit: Kit,
  text: string,
  prompts: Prompts,
  wanted: string | undefined,
  op: Operation,
): Promise<Confirmed> {
  const { instance, profile } = await whoIn(kit, wanted, op)
  const [enrolled] = profile.enrolments
  if (enrolled === undefined) throw new PosternError('authenticator.none_usable')
  const sign = kit.net.sign(instance.keyId, op)
  const signed = await signScan(text, { issuer: kit.issuer, device: instance.clientId, enrolment: enrolled.id, sign })
  const json = { client_id: instance.clientId, ...signed }
  const { body } = await kit.net.demand({ method: 'POST', path: '/transactions/scan', key: instance, json }, op)
  const found = await openOne(kit, body, (await fetchBundle(kit, op)).clients)
  // What cannot be shown whole is not shown at all.
  if (found === null) throw new PosternError('transaction.unknown', { reason: 'not for this app, or of a client without a name' })
  return decide({ kit, instance, profile, prompts, op }, found)
}

/** The instance, and the profile that decides. */
async function whoIn(
  kit: Kit,
  wanted: string | undefined,
  op: Operation,
): Promise<{ instance: InstanceState; profile: ProfileState }> {
  const state = await op.wait(kit.state.read())
  const confirmed = state.profiles.filter((one) => one.confirmed)
  const id = wanted ?? kit.sessions.live?.session.profile ?? (confirmed.length === 1 ? confirmed[0]!.id : null)
  if (id === null) throw new PosternError('profile.unknown', { reason: 'several, and none was named' })
  return { instance: instanceOf(state), profile: profileOf(state, id) }
}

async function waiting(kit: Kit, instance: InstanceState, profile: ProfileState, op: Operation): Promise<readonly Opened[]> {
  const query = new URLSearchParams({ client_id: instance.clientId, profile: profile.ref })
  const { body } = await kit.net.demand({ method: 'GET', path: `/transactions?${query}`, key: instance }, op)
  const { transactions } = body
  if (!Array.isArray(transactions)) throw new PosternError('net.unreachable', { reason: 'the answer has no transactions' })
  if (transactions.length === 0) return []
  const { clients } = await fetchBundle(kit, op)
  const list = await Promise.all((transactions as readonly JsonObject[]).map((one) => openOne(kit, one, clients)))
  return list.filter((one): one is Opened => one !== null)
}

/** One as it came; `null` when it is not for this app, not canonical, or of a client that the bundle does not name. */
async function openOne({ options, issuer }: Kit, body: JsonObject, clients: ReadonlyMap<string, string>): Promise<Opened | null> {
  const { app, runtime } = options
  const { expires_in, choices } = body
  try {
    const opened = await openTransaction(textOf(body, 'transaction'), {
      issuer,
      tenant: app.tenant,
      app: app.id,
      crypto: runtime.crypto,
      clientName: (id) => clients.get(id) ?? null,
    })
    return {
      id: textOf(body, 'id'),
      opened,
      choices: (Array.isArray(choices) ? (choices as readonly JsonObject[]) : []).map((one) => ({
        id: textOf(one, 'id'),
        type: textOf(one, 'type'),
      })),
      expiresAt: runtime.clock() + (typeof expires_in === 'number' ? expires_in : 0) * 1000,
    }
  } catch (error) {
    if (isPosternError(error, 'transaction.invalid')) return null
    throw error
  }
}

/** Asks until it is decided: a number that was wrong may be typed again while the server allows it. */
async function decide(who: Decider, tx: Opened): Promise<Confirmed> {
  const { prompts, op } = who
  const { rows, asksNumber } = tx.opened
  if (prompts.confirm === undefined) throw new PosternError('authenticator.none_usable', { reason: 'no screen' })
  let question: ConfirmQuestion = { rows, asksNumber, expiresAt: tx.expiresAt }
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const given = await op.wait(prompts.confirm(question, op.signal))
    if (given === null) throw cancelled()
    const reply =
      given.decision === 'approve'
        ? await approve(who, tx, (asksNumber ? given.number : undefined) ?? '')
        : await refuse(who, tx, given.decision)
    const { status, body } = reply
    if (status < 300) return { id: tx.id, state: textOf(body, 'state') as Confirmed['state'] }
    const error = refusal(reply)
    const left = body['attempts_left']
    if (error.code !== 'transaction.mismatch' || left === 0) throw error
    question = { ...question, reason: 'wrong-number', ...(typeof left === 'number' ? { attemptsLeft: left } : {}) }
  }
  throw new PosternError('authenticator.failed', { reason: 'too many rounds' })
}

/** A no is the device's own: whoever holds it may always say no. */
async function refuse(who: Decider, tx: Opened, decision: 'deny' | 'report'): Promise<Reply> {
  const { statement, answer } = await prepared(who, tx, { enrolment: '', type: 'device', decision, number: '' })
  return send(who, tx.id, '', { answer: answer(await who.kit.net.sign(who.instance.keyId, who.op)(statement)) })
}

async function approve(who: Decider, tx: Opened, number: string): Promise<Reply> {
  const chosen = await choose(who, tx)
  const { statement, bind, answer } = await prepared(who, tx, {
    enrolment: chosen.id,
    type: chosen.type,
    decision: 'approve',
    number,
  })
  const post: ProofWire['post'] = (end, json) => send(who, tx.id, end, json)
  const answered = async () => answer(await signature(who, chosen, statement))
  return proveDecision(who, chosen, { bind, answered, post }).catch(async (error: unknown) => {
    const cause = keyLoss(error)
    if (cause !== null) await tellLost(who, chosen, cause, { bind, answered: async () => answer(), post })
    throw error
  })
}

function prepared({ kit, instance }: Decider, { opened }: Opened, choice: Omit<Deciding, 'device'>) {
  return prepareDecision(opened, { device: instance.clientId, ...choice }, kit.options.runtime.crypto)
}

/** What policy leaves and this device can do: the only one, or the user's choice among several. */
async function choose({ profile, prompts, op }: Decider, { choices }: Opened): Promise<{ id: string; type: string }> {
  const usable = choices.filter(({ id, type }) => {
    if (type === 'device') return true
    if (type === 'webauthn') return answerable(type, prompts)
    const here = profile.enrolments.find((one) => one.id === id)
    return here !== undefined && (here.keyId !== null || type === 'pin' || answerable(type, prompts))
  })
  const [first] = usable
  if (first === undefined) throw new PosternError('authenticator.none_usable')
  if (usable.length === 1 || prompts.choose === undefined) return first
  const id = await op.wait(
    prompts.choose(
      usable.map((one) => ({ ...one, preferred: false })),
      op.signal,
    ),
  )
  if (id === null) throw cancelled()
  return usable.find((one) => one.id === id) ?? first
}

/** The key that the evidence is kept of: the enrolled one, or the device's beside a passkey or a code. A PIN's own ceremony signs. */
async function signature(
  who: Decider,
  chosen: { id: string; type: string },
  statement: Uint8Array,
): Promise<Uint8Array | undefined> {
  const { kit, instance, profile, prompts, op } = who
  if (chosen.type === 'pin') return undefined
  const keyId = profile.enrolments.find(({ id }) => id === chosen.id)?.keyId ?? null
  if (keyId === null) return kit.net.sign(instance.keyId, op)(statement)
  const prompt = prompts.biometric === undefined ? {} : { prompt: prompts.biometric }
  const outcome = await op.wait(guarded(() => kit.options.keystore.sign(keyId, statement, { ...prompt, signal: op.signal })))
  if (outcome.ok) return outcome.signature
  if (outcome.cause === 'cancelled') throw cancelled()
  throw new PosternError(losses[outcome.cause] ?? 'authenticator.failed', { reason: outcome.cause })
}

/** What the authenticators call a key that will never sign again. */
const losses: Readonly<Partial<Record<SignCause, ErrorCode>>> = {
  'locked-out-permanently': 'key.os_lockout',
  'key-invalidated': 'key.invalidated',
}

function send(
  { kit, instance, profile, op }: Decider,
  id: string,
  end: '' | '/begin',
  json: { readonly answer: TransactionAnswer; readonly handle?: string; readonly step?: unknown },
): Promise<Reply> {
  const body = { client_id: instance.clientId, profile: profile.ref, ...json }
  return kit.net.ask({ method: 'POST', path: `/transactions/${id}${end}`, key: instance, json: body }, op)
}
