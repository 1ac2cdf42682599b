/** A custom authenticator's questions: the first, and what follows each counted answer. */
import type { Rec } from '@postern/store'
import { takeAttempt } from '../attempts.js'
import type { Ceremony, Refusal, Reply, Step } from '../authenticator.js'
import { newEnrolmentId } from '../enrolment.js'
import { burn, markerKey } from './challenge.js'
import { call, claimed } from './customCall.js'
import { type At, askReply, doneReply, openAt } from './customHandle.js'
import { type CustomPorts, customKey, openData, sealData } from './customPorts.js'
import { type ReadResult, readJson } from './customResult.js'
import type { Ended } from './deadline.js'
import { refusal, refuse } from './refusal.js'
import { checkProven, ended, guardsOf, ownGuards, standing } from './tries.js'

const MAX_CONTINUES = 8
/** How long the tries of an enrolment that is never made are kept: 24 h, in ms. */
const PENDING_MS = 86_400_000
const NONE: Uint8Array = new Uint8Array(0)

/** The first call: nothing was answered, so nothing is counted and nothing can be `done` but an enrolment. */
export async function beginCustom(c: Ceremony, ports: CustomPorts): Promise<Step> {
  checkProven(c, 'custom.failed')
  const enrolling = c.purpose === 'enrol'
  checkEnrolment(c, ports)
  const at = { enrolment: enrolling ? newEnrolmentId(ports.runtime.random) : c.enrolment!.id, continued: 0, state: null }
  const ask = enrolling ? ports.enrol : ports.begin
  async function reply(): Promise<Reply | Refusal> {
    if (ask !== null) {
      const kept = c.records?.[0] ?? null
      const data = enrolling || kept === null ? null : await openData(c, ports, at.enrolment, kept.value)
      return concluded(c, ports, at, await call(c, ports, ask, { answer: null, state: null, data }), null, data)
    }
    if (!enrolling) return askReply(c, ports, at, { outcome: 'continue', reply: null })
    return doneReply(c, ports, at.enrolment, { rev: '', attempts: 0, value: NONE, amr: [] }, { reply: null })
  }
  return { ok: true, ops: [], event: null, reply, lost: () => refusal('custom.failed', 'nothing to lose') }
}

/** One answer: its handle burnt and a try taken, then the host's function, with what the one before it had sealed. */
export async function answerCustom(c: Ceremony, input: unknown, ports: CustomPorts): Promise<Step> {
  const answer = readAnswer(input)
  if (answer === undefined) throw refuse('custom.failed', 'message')
  checkProven(c, 'custom.failed') // before any counter
  const enrolling = c.purpose === 'enrol'
  checkEnrolment(c, ports)
  const at = await openAt(c, ports) // type, tenant, purpose, expiry
  const { clock, crypto } = ports.runtime
  const guards = enrolling ? ownGuards(c, 'custom.failed') : guardsOf(c, 'custom.failed')
  const counter = customKey(at.enrolment)
  const counterAt = guards.ops.length + 1
  return {
    ok: true,
    // Counted before the host sees it: what it throws, delays or forgets costs a try.
    ops: [
      ...guards.ops,
      burn(await markerKey(crypto, at.nonce), NONE, at.expiresAt),
      takeAttempt(counter, ports.maxAttempts, enrolling ? clock() + PENDING_MS : undefined),
    ],
    event: { type: 'custom.attempted', outcome: 'success', authenticator: at.enrolment, reason: ports.type },
    async reply(recs) {
      const counted = recs[counterAt]!
      const data = await openData(c, ports, at.enrolment, counted.value)
      const host = enrolling ? (ports.enrol ?? ports.finish) : ports.finish
      return concluded(
        c,
        ports,
        at,
        await call(c, ports, host, { answer, state: at.state, data: data?.slice() ?? null }),
        counted,
        data,
      )
    },
    lost(lostAt, current) {
      if (lostAt < guards.ops.length) return guards.lost(lostAt, current)
      if (lostAt < counterAt) return refusal('custom.failed', 'answered already')
      return enrolling
        ? refusal('custom.failed', 'attempts', { attemptsLeft: 0 })
        : ended(c, { counter, rev: current?.rev ?? null, cause: 'attempts' })
    },
  }
}

/** What follows from what the host said. */
async function concluded(
  c: Ceremony,
  ports: CustomPorts,
  at: Pick<At, 'enrolment' | 'continued' | 'state'>,
  said: Ended<ReadResult | null>,
  /** The record of the try; `null` where none was taken. */
  counted: Rec | null,
  data: Uint8Array | null,
): Promise<Reply | Refusal> {
  const { enrolment } = at
  const attemptsLeft = Math.max(0, ports.maxAttempts - (counted?.n ?? 0))
  const fail = (code: FailureCode, message: string) => failed(enrolment, ports, code, message, attemptsLeft)
  if (!said.ok) return fail(said.why === 'late' ? 'custom.timeout' : 'custom.failed', said.message)
  const result = said.value
  if (result === null) return fail('custom.invalid_result', 'a result outside the union')
  const enrolling = c.purpose === 'enrol'
  const { reply } = result
  switch (result.outcome) {
    case 'continue':
      if (at.continued >= MAX_CONTINUES) return fail('custom.invalid_result', 'continued too often')
      return askReply(
        c,
        ports,
        { enrolment, continued: at.continued + 1, state: result.state },
        { outcome: 'continue', reply, attemptsLeft },
      )
    case 'retry':
      // The last try was this one.
      if (attemptsLeft === 0 && !enrolling)
        return { ...ended(c, { counter: customKey(enrolment), rev: counted!.rev, cause: 'attempts' }), body: { reply } }
      return askReply(c, ports, at, { outcome: 'retry', reply, attemptsLeft })
    case 'fatal': {
      if (enrolling) return { ...fail('custom.failed', 'fatal'), next: 'removed', body: { reply } }
      const end = ended(c, { counter: customKey(enrolment), rev: counted?.rev ?? null, cause: 'host', remove: result.remove })
      return { ...end, body: { reply } }
    }
    case 'done': {
      if (counted === null && !enrolling) return fail('custom.invalid_result', 'done before an answer')
      const keep = result.data ?? data
      // Sealed anew also where it stays the same, so that it never outlives its key.
      const value = keep === null ? NONE : await sealData(c, ports, enrolment, keep)
      const done = { rev: counted?.rev ?? '', attempts: counted?.n ?? 0, value, amr: result.amr }
      return doneReply(c, ports, enrolment, done, { reply, attemptsLeft })
    }
  }
}

type FailureCode = 'custom.failed' | 'custom.timeout' | 'custom.invalid_result'

/** The try is spent; why, stands in the event alone. */
function failed(enrolment: string, ports: CustomPorts, code: FailureCode, message: string, attemptsLeft: number): Refusal {
  const detail = { message, type: ports.type }
  const event = { type: 'custom.failed', outcome: 'failure', authenticator: enrolment, reason: code, detail } as const
  return refusal(code, code, { event, attemptsLeft })
}

/** A host's function cannot be asked about nobody, so one that is not there is refused without it. */
export function checkEnrolment(c: Ceremony, ports: CustomPorts): void {
  if (c.purpose === 'enrol') claimed(c, ports)
  else if (standing(c, ports.type, 'custom.failed') === null) throw refuse('custom.failed', 'no such enrolment')
}

/** `{answer}` and nothing else. */
function readAnswer(input: unknown): ReturnType<typeof readJson> {
  if (typeof input !== 'object' || input === null || Object.keys(input).length !== 1) return undefined
  return Object.hasOwn(input, 'answer') ? readJson((input as { readonly answer: unknown }).answer) : undefined
}
