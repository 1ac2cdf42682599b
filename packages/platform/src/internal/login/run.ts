/** One step of an authenticator as one commit: its ops, the platform's own and the events, then the reply. */
import type { Authenticator, Ceremony, EventDraft, Refusal, Reply, Success, Verdict } from '@postern/authenticators/authenticator'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import { type Commit, newRev, type Op, type Part, type Rec, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { HostContext } from '../../node.js'
import type { Journal, EventDraft as PlatformDraft } from '../journal.js'

/** What platform adds to a step. */
export interface Around {
  /** Ops for the same commit, such as the proof's marker; losing on one of them is a replay, unless `lost` knows better. */
  readonly ops: readonly Op[]
  readonly lost?: (key: string) => PosternError | null
  /** The verdict once more, where an end passed between it and its commit; its ladder then says what that means. */
  readonly again?: () => Promise<Verdict>
  /** Members that every event of this step carries. */
  readonly about: Partial<PosternEvent>
  /** Further events of the same commit. */
  readonly events?: readonly PlatformDraft[]
  readonly host: HostContext | undefined
}

export type Ran<T> =
  | { readonly ok: true; readonly value: T; readonly recs: readonly (Rec | null)[] }
  | { readonly ok: false; readonly refusal: Refusal }

export interface Runner {
  begin(authenticator: Authenticator, c: Ceremony, input: unknown, around: Around): Promise<Ran<Reply>>
  /** Commits a verdict that `finish` gave. `recs` are those of the verdict's own ops. */
  settle(c: Ceremony, verdict: Success, around: Around): Promise<Ran<Success>>
  refuse(c: Ceremony, refusal: Refusal, around: Around): Promise<Ran<never>>
  /** Platform's own ops, where they cannot join the authenticator's. */
  spend(part: Part, ops: readonly Op[], lost: NonNullable<Around['lost']>): Promise<void>
}

/** Whether something that a plan writes would have ended before it is written. */
function late(ops: readonly Op[], now: number): boolean {
  return ops.some((op) => 'expiresAt' in op && op.expiresAt !== undefined && op.expiresAt <= now)
}

function replayed(): PosternError<'dpop.proof'> {
  return new PosternError('dpop.proof', { reason: 'dpop.replayed' })
}

export function createRunner(o: { runtime: Runtime; journal: Journal }): Runner {
  const { store, clock, random } = o.runtime

  async function commit(
    c: Ceremony,
    own: readonly Op[],
    draft: EventDraft | null,
    around: Around,
  ): Promise<Commit & { mine: number }> {
    const events = [
      ...(draft === null ? [] : [complete(c, draft, around)]),
      ...(around.events ?? []).map((one) => o.journal.event({ ...around.about, ...one } as PlatformDraft)),
    ]
    const ops = [...own, ...around.ops, ...events.map(eventOp)]
    // A step that changes nothing needs no marker either: sent again it tells no more than it did.
    if (own.length === 0 && events.length === 0) return { ok: true, recs: [], mine: 0 }
    const ended = around.ops.find((op) => late([op], clock()))
    if (ended !== undefined) throw around.lost?.(ended.key) ?? replayed()
    const done = await commitSettled(store, c.part, ops, { now: clock(), rev: newRev(random) })
    if (done.ok) await o.journal.shipped(c.part, events, around.host)
    else if (done.at >= own.length) throw around.lost?.(ops[done.at]!.key) ?? replayed()
    return { ...done, mine: own.length }
  }

  function complete(c: Ceremony, draft: EventDraft, around: Around): PosternEvent {
    const { authenticator: enrolment, detail, ...rest } = draft
    return o.journal.event({
      ...around.about,
      ...rest,
      ...(c.device === null ? {} : { device: c.device.id }),
      app: c.app,
      ...(enrolment === undefined && detail === undefined
        ? {}
        : { detail: { ...detail, ...(enrolment === undefined ? {} : { enrolment }) } }),
    } as PlatformDraft)
  }

  const runner: Runner = {
    async begin(authenticator, c, input, around) {
      let step = await authenticator.begin(c, input)
      for (let round = 0; step.ok && round < 3; round++) {
        if (late(step.ops, clock())) {
          step = await authenticator.begin(c, input)
          continue
        }
        const done = await commit(c, step.ops, step.event, around)
        if (done.ok) {
          const reply = await step.reply(done.recs.slice(0, done.mine))
          // The proof's marker went with the attempt.
          return 'ok' in reply ? runner.refuse(c, reply, { ...around, ops: [] }) : { ok: true, value: reply, recs: done.recs }
        }
        step = step.lost(done.at, done.current)
      }
      if (step.ok) throw new PosternError('store.overloaded')
      return runner.refuse(c, step, around)
    },
    async settle(c, verdict, around) {
      let next: Verdict = verdict
      for (let round = 0; next.ok && round < 2; round++) {
        if (around.again !== undefined && late(next.ops, clock())) {
          next = await around.again()
          continue
        }
        const done = await commit(c, next.ops, next.event, around)
        if (done.ok) return { ok: true, value: next, recs: done.recs.slice(0, done.mine) }
        next = next.lost(done.at, done.current)
      }
      if (next.ok) throw new PosternError('store.overloaded')
      return runner.refuse(c, next, around)
    },
    async refuse(c, refusal, around) {
      if (refusal.ops.length === 0 && refusal.event === null) return { ok: false, refusal }
      const done = await commit(c, refusal.ops, refusal.event, { ...around, events: [] })
      return { ok: false, refusal: done.ok ? refusal : refusal.lost(done.at, done.current) }
    },
    async spend(part, ops, lost) {
      if (ops.length === 0) return
      const done = await commitSettled(store, part, ops, { now: clock(), rev: newRev(random) })
      if (!done.ok) throw lost(ops[done.at]!.key) ?? replayed()
    },
  }
  return runner
}
