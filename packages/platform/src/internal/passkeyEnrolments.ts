/** A passkey's registration over the two partitions that it spans, and the user's own record where it is the first thing he has. */
import type { Authenticator, Ceremony, RunResult, Success } from '@postern/authenticators/authenticator'
import { registerPasskey } from '@postern/authenticators/webauthn/register'
import { PosternError } from '@postern/core/errors'
import { newRev, type Op, type Part, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { HostContext } from '../node.js'
import type { EventDraft, Journal } from './journal.js'
import { userKey } from './partition.js'
import { type UserRecord, userOf } from './passkeys.js'
import { encodeRecord } from './record.js'

export interface PasskeyRegistration {
  /** What every event of the caller says. */
  readonly about: Partial<EventDraft>
  /** Whether the user has nothing else. */
  readonly born: boolean
  readonly host: HostContext | undefined
}

export interface PasskeyEnrolments {
  /** @param c - with the claim; who the user is is read here @throws PosternError `user.blocked` */
  register(webauthn: Authenticator, c: Ceremony, answer: unknown, o: PasskeyRegistration): Promise<RunResult<Success>>
}

export function createPasskeyEnrolments({ runtime, journal }: { runtime: Runtime; journal: Journal }): PasskeyEnrolments {
  const { store, clock, random } = runtime
  const active = () => encodeRecord({ status: 'active', createdAt: clock() })
  const commit = (part: Part, ops: readonly Op[]) => commitSettled(store, part, ops, { now: clock(), rev: newRev(random) })

  /** The user's record; where there is none, one that lapses with the claim unless the passkey becomes one. */
  async function userIn(part: Part, until: number): Promise<UserRecord & { readonly made: boolean }> {
    const [rec] = await store.read(part, [userKey.record], { now: clock() })
    const found = userOf(rec ?? null)
    if (found !== null) return { ...found, made: false }
    const done = await commit(part, [{ op: 'put', key: userKey.record, value: active(), rev: null, expiresAt: until }])
    const made = userOf(done.ok ? (done.recs[0] ?? null) : done.current)
    if (made === null) throw new PosternError('store.overloaded')
    return { ...made, made: done.ok }
  }

  return {
    async register(webauthn, c, answer, { about, born, host }) {
      const user = await userIn(c.part, c.claim!.until)
      if (user.status !== 'active') throw new PosternError('user.blocked')
      const done = await registerPasskey(webauthn, { ...c, user: { rev: user.rev } }, answer, { runtime, about })
      if (done.ok && user.made) {
        const told = born
          ? [journal.event({ ...about, type: 'user.registered', outcome: 'success', authenticator: 'webauthn' } as EventDraft)]
          : []
        // Whoever changed the record meanwhile has made it last.
        await commit(c.part, [{ op: 'put', key: userKey.record, value: active(), rev: user.rev }, ...told.map(eventOp)])
      }
      await journal.left(c.part, host)
      return done
    },
  }
}
