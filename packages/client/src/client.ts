/** The front door: the app's side of the platform, without a screen of its own. */
import type { ShownRow } from '@postern/authenticators/transaction/client'
import { PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import { createBlockLists } from './internal/blockLists.js'
import { createApiCalls, demandOf } from './internal/call.js'
import {
  anonymousCodes,
  confirmCodes,
  deregisterCodes,
  enrolCodes,
  fetchCodes,
  loginCodes,
  logoutCodes,
  pendingCodes,
  pushCodes,
  registerCodes,
  startCodes,
} from './internal/codes.js'
import { confirm, pending, scan } from './internal/confirm.js'
import { changePin, type EnrolType, enrol, prefer } from './internal/enrol.js'
import { instanceOf, type Kit } from './internal/kit.js'
import { deregister, logout, reset } from './internal/leave.js'
import { authenticate } from './internal/login.js'
import { createNet } from './internal/net.js'
import { createLock, named, type Operation } from './internal/operation.js'
import { visible } from './internal/profiles.js'
import { register } from './internal/register.js'
import { createSessions } from './internal/session.js'
import { start } from './internal/start.js'
import { createState } from './internal/state.js'
import type { AppConfig, ClientRuntime, EvidencePort, KeystorePort, PushEndpoint, SecureStoragePort } from './ports.js'
import type { Prompts } from './prompts.js'
import type {
  AnonymousCode,
  ConfirmCode,
  DeregisterCode,
  EnrolCode,
  LoginCode,
  LogoutCode,
  PendingCode,
  PushCode,
  RegisterCode,
  Result,
  StartCode,
} from './result.js'

export interface ClientOptions {
  readonly app: AppConfig
  readonly keystore: KeystorePort
  readonly storage: SecureStoragePort
  readonly runtime: ClientRuntime
  readonly evidence?: EvidencePort
  /** Opens the system's browser; resolves with the redirect URL it ended on, rejects when the user closes it. */
  readonly browser?: (url: string, signal: AbortSignal) => Promise<string>
  /** Lets `fetch` answer a demand for a stronger login by itself, and repeat the call once. */
  readonly prompts?: Prompts
}

/** Names a user's enrolments on this device; never a subject. */
export type ProfileId = string

export interface Profile {
  readonly id: ProfileId
  /** Ways to log in that this device keeps: `pin`, `device-key`, `biometric`, `otp`, `code`, `custom:<name>`. Passkeys are the user's. */
  readonly authenticators: readonly string[]
}

/** What an operation may be told. */
export interface OperationOptions {
  /** Ends the operation with `client.cancelled` and the state of before. */
  readonly signal?: AbortSignal
}

export interface Started {
  readonly clientId: string
  /** `registered` now, `updated` after an update of app or system, `known` already. */
  readonly instance: 'registered' | 'updated' | 'known'
  readonly profiles: readonly Profile[]
}

/** A user's session. After `register` it is good for enrolling alone (`acr` null); `login` yields one for the API. */
export interface Session {
  /** `null`: the app's own, of `anonymous`. */
  readonly profile: ProfileId | null
  readonly acr: string | null
  readonly scope: readonly string[]
  /** End of the access token, ms; `fetch` refreshes before it. */
  readonly expiresAt: number
  /** Failed tries since the last login, for the app to show. */
  readonly failures: number
}

/** How a user proves who he is: a page in the browser, a registrar by name, or a passkey that he has already. */
export type RegisterHow = 'browser' | 'passkey' | { readonly custom: string; readonly data?: JsonValue }

/** Digits that must not be in the PIN: birthday, telephone, account number. They stay on the device. */
export interface RegisterOptions extends OperationOptions {
  readonly userData?: readonly string[]
}

/** A level of login, as RFC 9470 asks for it. */
export interface AcrRequest {
  readonly acr?: string
  /** Seconds. */
  readonly maxAge?: number
}

export interface LoginOptions extends OperationOptions, AcrRequest {
  readonly scope?: readonly string[]
  /** The authenticator type to begin with, where it is among the choices. */
  readonly prefer?: string
}

/** `told`: the server knows. `queued`: it hears at a later `start`. */
export interface Told {
  readonly server: 'told' | 'queued'
}

export type { EnrolType } from './internal/enrol.js'

export interface Enrolment {
  readonly id: string
  readonly type: string
}

/** Which user of this device decides; by default the session's, or the only one. */
export interface ConfirmOptions extends OperationOptions {
  readonly profile?: ProfileId
}

/** What waits for a user's decision: these rows, in this order, are what he sees and signs. */
export interface Waiting {
  readonly id: string
  readonly profile: ProfileId
  readonly rows: readonly ShownRow[]
  readonly asksNumber: boolean
  /** Ms. */
  readonly expiresAt: number
}

export interface Confirmed {
  readonly id: string
  readonly state: 'approved' | 'denied' | 'reported'
}

/**
 * One operation runs at a time: a second gets `client.busy`. `fetch`, `profiles` and `session` are no operations and always at hand.
 */
export interface Client {
  /** Registers this installation, or tells the server of an update; delivers what waited in the queue. Call it at each launch. */
  start(o?: OperationOptions): Promise<Result<Started, StartCode>>
  /** A new user on this device: who he is, then his PIN. */
  register(how: RegisterHow, prompts: Prompts, o?: RegisterOptions): Promise<Result<Session, RegisterCode>>
  login(profile: ProfileId, prompts: Prompts, o?: LoginOptions): Promise<Result<Session, LoginCode>>
  /** A stronger or fresher login of the current profile: by the 401 that a resource answered, or by level. */
  stepUp(demand: Response | AcrRequest, prompts: Prompts, o?: OperationOptions): Promise<Result<Session, LoginCode>>
  /** A session of the app itself, without a user. */
  anonymous(scope?: readonly string[], o?: OperationOptions): Promise<Result<Session, AnonymousCode>>
  /** Another way to log in for the current profile; asks for a login first where the last is too old. */
  enrol(type: EnrolType, prompts: Prompts, o?: OperationOptions): Promise<Result<Enrolment, EnrolCode>>
  changePin(prompts: Prompts, o?: RegisterOptions): Promise<Result<Enrolment, EnrolCode>>
  /** The way to log in that is offered first. */
  prefer(type: string, prompts: Prompts, o?: OperationOptions): Promise<Result<Enrolment, EnrolCode>>
  /** What waits for a decision. A push carries an id and nothing else; this asks for the rest, by the device key alone. */
  pending(o?: ConfirmOptions): Promise<Result<readonly Waiting[], PendingCode>>
  /** Where a push wakes this app, whenever the system gives it another address; `null`: nowhere any more. */
  enrolPush(endpoint: PushEndpoint | null, o?: OperationOptions): Promise<Result<void, PushCode>>
  /** Shows one of them (`prompts.confirm`), and sends the decision with the authenticator that policy asks for. */
  confirm(id: string, prompts: Prompts, o?: ConfirmOptions): Promise<Result<Confirmed, ConfirmCode>>
  /** Claims what a picture shows, then goes on as `confirm` does. */
  scan(text: string, prompts: Prompts, o?: ConfirmOptions): Promise<Result<Confirmed, ConfirmCode>>
  /**
   * Calls the API: sealed, with the session's token and a proof. Statuses of 400 and above are answers.
   * @throws PosternError {@link FetchCode}, or the signal's reason
   */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>
  logout(): Promise<Result<Told, LogoutCode>>
  /** Forgets a profile here at once and there as soon as the server can be told. */
  deregister(profile: ProfileId): Promise<Result<Told, DeregisterCode>>
  /** Forgets everything on this device; tells the server if it can. */
  reset(): Promise<void>
  profiles(): Promise<readonly Profile[]>
  readonly session: Session | null
}

/**
 * A client over the ports of one app on one device.
 *
 * @example
 * const client = createClient({ app, keystore, storage, runtime })
 * const started = await client.start()
 * if (!started.ok) return explain(started.error.code)
 */
export function createClient(options: ClientOptions): Client {
  const { app, keystore, storage, runtime } = options
  const issuer = app.issuer.replace(/\/$/, '')
  const net = createNet({ issuer, runtime, keystore })
  const sessions = createSessions({ net, runtime })
  const kit: Kit = {
    options,
    issuer,
    resource: app.resource ?? app.api,
    state: createState(storage, runtime),
    net,
    sessions,
    blockLists: createBlockLists({ issuer, runtime }),
  }
  const lock = createLock()
  const calls = createApiCalls(kit, async (demand) => {
    if (options.prompts === undefined || sessions.live?.session.profile == null) return false
    return (await client.stepUp(demand, options.prompts)).ok
  })

  async function logIn(profile: string, prompts: Prompts, o: LoginOptions, op: Operation): Promise<Session> {
    const { acr, maxAge, scope = app.scopes, prefer: first } = o
    const level = { ...(acr === undefined ? {} : { acr }), ...(maxAge === undefined ? {} : { maxAge }) }
    const done = await authenticate(kit, { profile, scope, resource: kit.resource, prefer: first, ...level }, prompts, op)
    const { tokens, failures, instance } = done
    const session: Session = { profile, acr: done.acr, scope: tokens.scope, expiresAt: tokens.expiresAt, failures }
    sessions.set({ session, instance, api: tokens })
    return session
  }

  const client: Client = {
    start: ({ signal } = {}) =>
      lock.run({ signal, codes: startCodes, otherwise: 'device.update_failed' }, (op) => start(kit, op)),
    register: (how, prompts, { signal, userData = [] } = {}) =>
      lock.run({ signal, codes: registerCodes, otherwise: 'registration.rejected' }, (op) =>
        register(kit, how, prompts, userData, op),
      ),
    login: (profile, prompts, o = {}) =>
      lock.run({ signal: o.signal, codes: loginCodes, otherwise: 'authenticator.failed' }, (op) =>
        logIn(profile, prompts, o, op),
      ),
    stepUp: (demand, prompts, { signal } = {}) =>
      lock.run({ signal, codes: loginCodes, otherwise: 'authenticator.failed' }, (op) => {
        const live = sessions.live?.session
        if (live?.profile == null) throw new PosternError('profile.unknown', { reason: 'no session' })
        const asked = demand instanceof Response ? demandOf(demand.headers.get('www-authenticate') ?? '') : demand
        return logIn(live.profile, prompts, { ...asked, scope: sessions.live?.api === null ? app.scopes : live.scope }, op)
      }),
    anonymous: (scope = [], { signal } = {}) =>
      lock.run({ signal, codes: anonymousCodes, otherwise: 'policy.denied' }, async (op) => {
        const instance = instanceOf(await op.wait(kit.state.read()))
        const form = { grant_type: 'client_credentials', scope: scope.join(' '), resource: kit.resource }
        const tokens = await sessions.redeem({ instance, form }, op)
        const session: Session = { profile: null, acr: null, scope: tokens.scope, expiresAt: tokens.expiresAt, failures: 0 }
        sessions.set({ session, instance, api: tokens })
        return session
      }),
    enrol: (type, prompts, { signal } = {}) =>
      lock.run({ signal, codes: enrolCodes, otherwise: 'authenticator.failed' }, (op) => enrol(kit, type, prompts, op)),
    changePin: (prompts, { signal, userData = [] } = {}) =>
      lock.run({ signal, codes: enrolCodes, otherwise: 'authenticator.failed' }, (op) => changePin(kit, prompts, userData, op)),
    prefer: (type, prompts, { signal } = {}) =>
      lock.run({ signal, codes: enrolCodes, otherwise: 'authenticator.failed' }, (op) => prefer(kit, type, prompts, op)),
    pending: ({ signal, profile } = {}) =>
      lock.run({ signal, codes: pendingCodes, otherwise: 'net.unreachable' }, (op) => pending(kit, profile, op)),
    enrolPush: (endpoint, { signal } = {}) =>
      lock.run({ signal, codes: pushCodes, otherwise: 'push.endpoint' }, async (op) => {
        const instance = instanceOf(await op.wait(kit.state.read()))
        const { clientId: client_id } = instance
        if (endpoint === null) await net.demand({ method: 'DELETE', path: `/push?client_id=${client_id}`, key: instance }, op)
        else await net.demand({ method: 'PUT', path: '/push', key: instance, json: { client_id, endpoint } }, op)
      }),
    confirm: (id, prompts, { signal, profile } = {}) =>
      lock.run({ signal, codes: confirmCodes, otherwise: 'authenticator.failed' }, (op) =>
        confirm(kit, id, prompts, profile, op),
      ),
    scan: (text, prompts, { signal, profile } = {}) =>
      lock.run({ signal, codes: confirmCodes, otherwise: 'authenticator.failed' }, (op) => scan(kit, text, prompts, profile, op)),
    async fetch(input, init) {
      try {
        return await calls.fetch(input, init)
      } catch (error) {
        throw error instanceof PosternError ? named(error, fetchCodes, 'payload.transport') : error
      }
    },
    logout: () => lock.run({ codes: logoutCodes, otherwise: 'storage.unavailable' }, () => logout(kit)),
    deregister: (profile) =>
      lock.run({ codes: deregisterCodes, otherwise: 'storage.unavailable' }, () => deregister(kit, profile)),
    async reset() {
      await lock.abort()
      await reset(kit)
    },
    profiles: async () => visible(await kit.state.read()),
    get session() {
      return sessions.live?.session ?? null
    },
  }
  return client
}
