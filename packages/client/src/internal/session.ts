/** Tokens, in memory alone: a user's for the API, and one for the platform's own endpoints. Nothing of them survives the process. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Session } from '../client.js'
import type { ClientRuntime } from '../ports.js'
import { type Call, type Net, type Reply, refusal, textOf } from './net.js'
import { type Operation, operation } from './operation.js'
import type { InstanceState } from './state.js'

export interface Tokens {
  readonly access: string
  readonly refresh: string | null
  /** Ms. */
  readonly expiresAt: number
  readonly scope: readonly string[]
}

/** A session with its tokens. */
export interface Live {
  readonly session: Session
  readonly instance: InstanceState
  /** For the API; `null` after a registration, which is good for enrolling alone. */
  readonly api: Tokens | null
}

/** A token for the platform's own endpoints. */
export interface Own {
  readonly profile: string
  readonly tokens: Tokens
}

export interface Sessions {
  readonly live: Live | null
  readonly own: Own | null
  set(live: Live | null): void
  setOwn(own: Own | null): void
  /** Every refresh token that has come since the last call: what a logout must end. */
  takeRefreshTokens(): readonly string[]
  /** Redeems a code. A lost answer ends the login: a code sent twice would look stolen, and end the family (RFC 6749 §4.1.2). */
  redeem(
    o: { instance: InstanceState; form: Readonly<Record<string, string>> },
    op: Operation,
  ): Promise<Tokens & { body: JsonObject }>
  /**
   * The API's token, fresh for half a minute at least, or for `stale` another one; one refresh of a session at a time, whoever asks.
   * @param owner - whose it must be; the session's that stands now when absent
   * @throws PosternError `login.required` also where that one's session has ended, though another's stands
   */
  fresh(stale: string | null, owner?: Owner): Promise<Fresh>
}

/** A profile on an instance: who a call is made as, from its first sending to its last. */
export type Owner = string

export interface Fresh {
  readonly token: string
  readonly instance: InstanceState
  readonly owner: Owner
}

interface Refreshing {
  readonly session: Session
  readonly done: Promise<Tokens>
}

const CLOSE_MS = 30_000

export function createSessions({ net, runtime }: { net: Net; runtime: ClientRuntime }): Sessions {
  const { clock } = runtime
  const seen = new Set<string>()
  let live: Live | null = null
  let own: Own | null = null
  let refreshing: Refreshing | null = null

  function tokensOf({ body }: Reply): Tokens {
    const { expires_in, refresh_token, scope, token_type } = body
    if (token_type !== 'DPoP') throw new PosternError('net.unreachable', { reason: 'the token is not bound to the device key' })
    if (typeof expires_in !== 'number') throw new PosternError('net.unreachable', { reason: 'the token has no end' })
    const refresh = typeof refresh_token === 'string' ? refresh_token : null
    if (refresh !== null) seen.add(refresh)
    return {
      access: textOf(body, 'access_token'),
      refresh,
      expiresAt: clock() + expires_in * 1000,
      scope: typeof scope === 'string' && scope !== '' ? scope.split(' ') : [],
    }
  }

  async function refresh(from: Live, token: string): Promise<Tokens> {
    const { instance } = from
    const call: Call = {
      method: 'POST',
      path: '/token',
      key: instance,
      form: { grant_type: 'refresh_token', refresh_token: token, client_id: instance.clientId },
    }
    const op = operation(new AbortController().signal)
    // The same token again after a lost answer: the server gives the same successor. Later calls try it again as well.
    const reply = await net.demand(call, op).catch((error: unknown) => {
      if (error instanceof PosternError && error.code === 'net.unreachable') return net.demand(call, op)
      throw error
    })
    const standing = seen.delete(token)
    const tokens = tokensOf(reply)
    if (!standing) {
      // A logout took the token meanwhile: its revocation ends this successor too, and nobody gets it.
      if (tokens.refresh !== null) seen.delete(tokens.refresh)
      throw new PosternError('login.required', { reason: 'logged out during a refresh' })
    }
    if (live?.session === from.session) live = { ...from, api: tokens, session: { ...from.session, expiresAt: tokens.expiresAt } }
    return tokens
  }

  /** One refresh of a session at a time; another session's is no answer to this one. */
  function refreshOnce(from: Live, token: string): Promise<Tokens> {
    if (refreshing?.session === from.session) return refreshing.done
    const done = refresh(from, token).finally(() => {
      if (refreshing?.done === done) refreshing = null
    })
    refreshing = { session: from.session, done }
    return done
  }

  return {
    get live() {
      return live
    },
    get own() {
      return own !== null && own.tokens.expiresAt - clock() > 5000 ? own : null
    },
    set(next) {
      live = next
    },
    setOwn(next) {
      own = next
    },
    takeRefreshTokens() {
      const tokens = [...seen]
      seen.clear()
      return tokens
    },
    async redeem({ instance, form }, op) {
      const call: Call = { method: 'POST', path: '/token', key: instance, form: { ...form, client_id: instance.clientId } }
      const reply = await net.ask(call, op)
      if (reply.status !== 200) throw refusal(reply)
      return { ...tokensOf(reply), body: reply.body }
    },
    async fresh(stale, owner) {
      const now = live
      if (now === null || now.api === null) throw new PosternError('login.required')
      const found = { instance: now.instance, owner: ownerOf(now) }
      if (owner !== undefined && owner !== found.owner) throw new PosternError('login.required', { reason: 'another session' })
      const { access, expiresAt, refresh: token } = now.api
      if (access !== stale && expiresAt - clock() > CLOSE_MS) return { token: access, ...found }
      if (token === null) {
        if (access !== stale && expiresAt > clock()) return { token: access, ...found }
        throw new PosternError('login.required')
      }
      try {
        const { access: next } = await refreshOnce(now, token)
        if (live?.api?.access === next) return { token: next, ...found }
      } catch (error) {
        if (!(error instanceof PosternError)) throw error
        if (error.code === 'grant.invalid' && live?.session === now.session) live = null
        throw error.code === 'grant.invalid' ? new PosternError('login.required', { cause: error }) : error
      }
      // Another session stands by now, or none: its owner's newer token, or no token at all.
      return this.fresh(stale, found.owner)
    },
  }
}

function ownerOf({ session, instance }: Live): Owner {
  return `${instance.clientId} ${session.profile ?? ''}`
}
