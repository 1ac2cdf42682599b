/// <reference types="node" />
/** Logins by a code or an answer: each call reads its records anew, as a platform does. */
import {
  type Authenticator,
  type Ceremony,
  type Purpose,
  type Refusal,
  type Reply,
  type RunResult,
  runBegin,
  runFinish,
  type Success,
} from '@postern/authenticators/authenticator'
import { decodeEnrolment, type Enrolled, planConfirm } from '@postern/authenticators/enrolment'
import type { Part, Store } from '@postern/store'
import { newRev } from '@postern/store'
import { issuer, random, type World } from './world.js'

/** A user of one partition, `dev:…` or `usr:…`. */
export interface Place {
  readonly part: Part
  /** What the caller says of device and earlier factors. */
  readonly about: Pick<Ceremony, 'device' | 'proven'>
}

export interface Answers {
  ceremony(purpose: Purpose, id: string | null, more?: Partial<Ceremony>): Promise<Ceremony>
  begin(id: string | null, input: unknown, more?: Partial<Ceremony> & { readonly at?: Purpose }): Promise<RunResult<Reply>>
  finish(id: string | null, input: unknown, more?: Partial<Ceremony> & { readonly at?: Purpose }): Promise<RunResult<Success>>
  /** Both: the code, and, where it was right, the finish. */
  answer(id: string, input: unknown, more?: Partial<Ceremony>): Promise<RunResult<Success>>
  enrolled(id: string): Promise<Enrolled>
  confirm(id: string): Promise<void>
  record(key: string): ReturnType<Store['read']>
}

export function answersOf(w: World, authenticator: Authenticator, { part, about }: Place, store: Store = w.store): Answers {
  const runtime = { ...w.runtime, store }
  const record = (key: string) => w.store.read(part, [key], { now: w.clock() })

  async function ceremony(purpose: Purpose, id: string | null, more: Partial<Ceremony> = {}): Promise<Ceremony> {
    const [enr] = await record(`enr/${id ?? 'none'}`)
    return {
      issuer,
      tenant: part.tenant,
      app: 'retail',
      purpose,
      part,
      ...about,
      enrolment: id === null ? null : { id, rev: enr?.rev ?? null, value: enr == null ? null : decodeEnrolment(enr.value) },
      claim: { until: w.clock() + 120_000, owner: 'usr:ada', data: new Uint8Array([1, 2]) },
      bind: null,
      userVerification: 'preferred',
      ...more,
    }
  }
  const split = ({ at = 'login' as Purpose, ...more }: Partial<Ceremony> & { readonly at?: Purpose } = {}) => ({ at, more })

  const answers: Answers = {
    ceremony,
    record,
    async begin(id, input, o) {
      const { at, more } = split(o)
      return runBegin(authenticator, await ceremony(at, id, more), input, { runtime })
    },
    async finish(id, input, o) {
      const { at, more } = split(o)
      return runFinish(authenticator, await ceremony(at, id, more), input, { runtime })
    },
    async answer(id, input, more = {}) {
      const asked = await answers.begin(id, input, more)
      if (!asked.ok) return asked as Refusal
      return answers.finish(id, null, { ...more, handle: asked.value.handle })
    },
    async enrolled(id) {
      const [rec] = await record(`enr/${id}`)
      return { id, rev: rec!.rev, value: decodeEnrolment(rec!.value) }
    },
    async confirm(id) {
      const op = planConfirm(await answers.enrolled(id))
      await w.store.commit(part, [op], { now: w.clock(), rev: newRev(random) })
    },
  }
  return answers
}

/** Codes of a set of results, counted. */
export function count(all: readonly RunResult<unknown>[]): Readonly<Record<string, number>> {
  const sum: Record<string, number> = {}
  for (const r of all) sum[r.ok ? 'ok' : r.code] = (sum[r.ok ? 'ok' : r.code] ?? 0) + 1
  return sum
}

/** The platform's timer, as a host passes it in. */
export const timer = (task: () => void, delayMs: number): (() => void) => {
  const handle = setTimeout(task, delayMs)
  return () => clearTimeout(handle)
}

/** What a run must have given; its refusal otherwise. */
export function got<T>(result: RunResult<T>): T {
  if (!result.ok) throw new Error(`${result.code}: ${result.reason}`)
  return result.value
}
