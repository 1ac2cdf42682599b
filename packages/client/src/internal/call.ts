/** Calls of the API: sealed, with the session's token and a proof for each; a nonce, an old token and a demand for more are met once each. */
import { PosternError } from '@postern/core/errors'
import { createSealedFetch, type SealedFetch } from '@postern/payload/client'
import type { AcrRequest } from '../client.js'
import type { Kit } from './kit.js'
import { operation } from './operation.js'
import type { Owner } from './session.js'

export interface ApiCalls {
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>
}

/** @param stepUp - a stronger login, `false` when there is none to be had */
export function createApiCalls(kit: Kit, stepUp: (demand: AcrRequest) => Promise<boolean>): ApiCalls {
  const { app, runtime } = kit.options
  // Empty until the server has given one: it asks for another then, as for an old one, but knows already whose session opens.
  let nonce = ''
  let sealed: { readonly owner: Owner; readonly send: SealedFetch } | null = null
  let stepping: Promise<boolean> | null = null

  /** The channel of one owner: whatever it sends again, it sends as nobody else. */
  function channel(owner: Owner): SealedFetch {
    if (sealed?.owner === owner) return sealed.send
    const [first, ...rest] = app.keyRoots
    if (first === undefined)
      throw new PosternError('config.invalid', { publicMessage: '`keyRoots` names no key: calls cannot be sealed.' })
    const send = createSealedFetch({
      origin: app.api,
      roots: [first, ...rest],
      runtime,
      seen: {
        get: async () => (await kit.state.read()).keysSeq,
        set: async (seq) => void (await kit.state.update((state) => ({ ...state, keysSeq: Math.max(seq, state.keysSeq) }))),
      },
      async headers(call) {
        const { token, instance } = await kit.sessions.fresh(null, owner)
        const { method, url } = call
        const op = operation(new AbortController().signal)
        const proof = await kit.net.proof({ key: instance, method, url, nonce, token, ekm: await call.ekm() }, op)
        return { authorization: `DPoP ${token}`, dpop: proof }
      },
    })
    sealed = { owner, send }
    return send
  }

  async function once(request: Request, owner: Owner): Promise<Response> {
    const reply = await channel(owner)(request.clone())
    nonce = reply.headers.get('dpop-nonce') ?? nonce
    return reply
  }

  return {
    async fetch(input, init) {
      const request = new Request(input instanceof Request ? input : new URL(input, app.api), init)
      const { token: first, owner } = await kit.sessions.fresh(null)
      let reply = await once(request, owner)
      for (const met of new Set<string>(['nonce', 'token', 'level'])) {
        if (reply.status !== 401) return reply
        const challenge = reply.headers.get('www-authenticate') ?? ''
        const error = parameter(challenge, 'error')
        if (met === 'nonce' && error === 'use_dpop_nonce') reply = await once(request, owner)
        else if (met === 'token' && error === 'invalid_token') {
          await kit.sessions.fresh(first, owner)
          reply = await once(request, owner)
        } else if (met === 'level' && error === 'insufficient_user_authentication') {
          await kit.sessions.fresh(null, owner) // nobody is asked for another's call
          stepping ??= stepUp(demandOf(challenge)).finally(() => {
            stepping = null
          })
          if (!(await stepping)) return reply
          reply = await once(request, owner)
        }
      }
      return reply
    },
  }
}

/** What a resource asks for (RFC 9470 §3). */
export function demandOf(challenge: string): AcrRequest {
  const [acr, maxAge] = [parameter(challenge, 'acr_values'), parameter(challenge, 'max_age')]
  return {
    ...(acr === null ? {} : { acr }),
    ...(maxAge !== null && /^\d{1,9}$/.test(maxAge) ? { maxAge: Number(maxAge) } : {}),
  }
}

function parameter(challenge: string, name: string): string | null {
  return new RegExp(`(?:^|[ ,])${name}="([^"]*)"`).exec(challenge)?.[1] ?? null
}
