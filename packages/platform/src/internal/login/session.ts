/**
 * `auth_session`: what the platform knows of a login under way, sealed into the app's hands. It saves reads and decides nothing: every commit
 * checks the revs it carries, and a stale one brings what is there now.
 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Clock } from '@postern/core/runtime'
import type { Sealer, SealScope } from '@postern/core/sealed'
import type { UserStatus } from '../userStatus.js'

/** One factor that was proven in this session. */
export interface Factor {
  readonly enrolment: string
  readonly type: string
  readonly amr: readonly string[]
  /** Ms. */
  readonly at: number
}

export interface LoginSession {
  /** Names the session; burnt by the commit of its last factor, so that it is good for one code. */
  readonly id: string
  readonly device: string
  readonly jkt: string
  /** Id of the user's partition, and whose it is; both empty until a passkey names him. */
  readonly owner: string
  readonly subject: string
  readonly status: UserStatus
  /** The record that said so: the code is good only while it stands. */
  readonly epoch: { readonly key: string; readonly rev: string | null }
  /** Tries that had gone wrong when this login began. */
  readonly failures: number
  readonly request: {
    readonly scope: readonly string[]
    readonly resource: string
    /** Demanded level, 0 for none. */
    readonly acr: number
    readonly maxAge: number | null
    readonly codeChallenge: string
  }
  /** The user's enrolments on this device as they were read: id, rev, stored bytes, whether locked. */
  readonly enrolments: readonly {
    readonly id: string
    readonly rev: string
    readonly value: string
    readonly locked: boolean
    /** It stands for all passkeys of the user, which are no device's: the answer says which of them it was. */
    readonly passkey?: true
  }[]
  readonly done: readonly Factor[]
  readonly fallback: { readonly from: string; readonly on: string } | null
  readonly risk: {
    readonly score: number
    readonly band: 'low' | 'raised' | 'high'
    readonly calibrated: boolean
    readonly reasons: readonly string[]
  } | null
  /** Ties the events of this login together. */
  readonly flow: string
  readonly expiresAt: number
}

export interface Sessions {
  seal(session: LoginSession): Promise<string>
  /** @throws PosternError `login.invalid_session` for every way of being wrong */
  open(text: string, of: { readonly device: string; readonly jkt: string }): Promise<LoginSession>
}

export const SESSION_MS = 600_000

export function createSessions(o: { sealer: Sealer; place: Pick<SealScope, 'tenant' | 'issuer'>; clock: Clock }): Sessions {
  const scope: SealScope = { ...o.place, type: 'auth-session', purpose: 'login' }
  return {
    seal: async (session) => encodeBase64url(await o.sealer.seal(scope, utf8(JSON.stringify(session)))),
    async open(text, of) {
      const handle = text.length <= 32_768 ? decodeBase64url(text) : null
      const opened = handle === null ? null : await o.sealer.open(scope, handle)
      const json = opened === null ? null : fromUtf8(opened)
      if (json === null) throw new PosternError('login.invalid_session')
      const session = JSON.parse(json) as LoginSession
      if (session.device !== of.device || session.jkt !== of.jkt)
        throw new PosternError('login.invalid_session', { reason: 'another device' })
      if (session.expiresAt <= o.clock()) throw new PosternError('login.invalid_session', { reason: 'expired' })
      return session
    },
  }
}
