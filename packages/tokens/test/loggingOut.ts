/** A host with browser sessions, the relying parties that took part in them, and a network that remembers what was posted. */
import { createCrypto } from '@postern/core/crypto/node'
import { hashSecret } from '@postern/tokens/auth/secret'
import type { ClientConfig } from '@postern/tokens/clients'
import { endSession, type LogoutPort, type LogoutSession, resumeLogout } from '@postern/tokens/logout'
import { type Answer, basic, ISSUER, SECRET, VERIFIER, type World, type WorldOptions, world } from './world.js'

const crypto = createCrypto()
export const callbackOf = (id: string): string => `https://${id}.example.com/backchannel`
export const returnOf = (id: string): string => `https://${id}.example.com/bye?from=op`

/** What was posted to whom. */
export interface Posted {
  readonly url: string
  readonly token: string
}
export interface LoggingOut extends World {
  readonly posted: Posted[]
  /** The session that the browser's cookie stands for. */
  session: LogoutSession | null
  /** What receivers answer from now on. */
  answer: (url: string) => number
  /** Fetches of a browser. */
  browse(path: string, form?: Record<string, string>): Promise<Response>
  confirm(handle: string): Promise<Response>
}

/** Relying parties: `portal`, `shop` and `quiet`, which wants to hear of nothing, besides what is added. */
export async function relyingParties(more = 0): Promise<readonly ClientConfig[]> {
  const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
  const party = (id: string): ClientConfig => ({
    id,
    auth,
    redirectUris: [`https://${id}.example.com/cb`],
    scope: ['openid', 'offline_access', 'accounts'],
    introspects: ['https://api.example.com'],
    postLogoutRedirectUris: [returnOf(id), `https://${id}.example.com/bye`],
    ...(id !== 'quiet' && { backchannelLogoutUri: callbackOf(id) }),
  })
  return ['portal', 'shop', 'quiet', ...Array.from({ length: more }, (_, i) => `rp${i}`)].map(party)
}

export async function loggingOut(o: WorldOptions & { readonly more?: number } = {}): Promise<LoggingOut> {
  const posted: Posted[] = []
  const state = { session: { subject: 'user-1', sid: 'session1' } as LogoutSession | null, answer: (_url: string) => 200 }
  const logout: LogoutPort = {
    session: async () => state.session,
    confirm: async ({ handle, client }) => new Response(JSON.stringify({ handle, client: client?.id ?? null })),
    ended: async () => {
      state.session = null
      return new Response('goodbye', { headers: { 'set-cookie': 'sid=; Max-Age=0', 'x-page': 'yes' } })
    },
    error: async ({ code }) => new Response(code, { status: 400 }),
  }
  const w = await world({
    clients: await relyingParties(o.more),
    endpoints: [endSession],
    ...o,
    context: (context) => ({
      logout,
      runtime: {
        ...context.runtime,
        fetch: async (url, init) => {
          const token = new URLSearchParams(String(init?.body)).get('logout_token') ?? ''
          posted.push({ url: String(url), token })
          return new Response(null, { status: state.answer(String(url)) })
        },
      },
      ...o.context?.(context),
    }),
  })
  const live = Object.defineProperties(
    { ...w },
    {
      session: { get: () => state.session, set: (session) => (state.session = session) },
      answer: { set: (answer) => (state.answer = answer) },
    },
  ) as LoggingOut
  return Object.assign(live, {
    posted,
    browse: (path: string, form?: Record<string, string>) =>
      w.nodes[0]!.fetch(
        form === undefined
          ? new Request(ISSUER + path)
          : new Request(ISSUER + path, {
              method: 'POST',
              body: new URLSearchParams(form).toString(),
              headers: { 'content-type': 'application/x-www-form-urlencoded' },
            }),
      ),
    confirm: (handle: string) => resumeLogout(handle, new Request(`${ISSUER}/yes`, { method: 'POST' }), w.contexts[0]!),
  })
}

/** The user logs in at a relying party, within a session of the host. */
export async function loginAt(
  w: World,
  id: string,
  scope: readonly string[] = ['openid', 'accounts'],
  sid = 'session1',
): Promise<Record<string, string>> {
  const redirect_uri = `https://${id}.example.com/cb`
  const code = await w.code(id, { redirectUri: redirect_uri, scope, login: { sid } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri }
  return (await w.post('/token', form, { headers: { authorization: basic(id, SECRET) } })).body
}

export function refreshAt(w: World, id: string, refresh_token: string): Promise<Answer> {
  return w.post('/token', { grant_type: 'refresh_token', refresh_token }, { headers: { authorization: basic(id, SECRET) } })
}
