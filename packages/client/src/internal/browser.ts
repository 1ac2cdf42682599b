/** Registration in the browser: PAR, PKCE, state and issuer; the redirect is believed only as far as these go. */
import { encodeBase64url } from '@postern/core/base64url'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type Kit, pkce } from './kit.js'
import { textOf } from './net.js'
import type { Operation } from './operation.js'
import type { Tokens } from './session.js'
import type { InstanceState } from './state.js'

/** A token to enrol with. @throws PosternError `registration.rejected` | `registration.disabled` | `client.cancelled` | … */
export async function registerInBrowser(kit: Kit, instance: InstanceState, op: Operation): Promise<Tokens> {
  const { options, issuer, net } = kit
  const { app, browser, runtime } = options
  const { redirectUri } = app
  if (browser === undefined || redirectUri === undefined) throw new PosternError('registration.disabled')
  const { verifier, challenge } = await pkce(kit)
  const state = encodeBase64url(runtime.random(16))
  const request = {
    response_type: 'code',
    client_id: instance.clientId,
    redirect_uri: redirectUri,
    scope: 'enrol',
    resource: issuer,
    state,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }
  const { body } = await net.demand({ method: 'POST', path: '/par', key: instance, form: request }, op)
  const query = new URLSearchParams({ client_id: instance.clientId, request_uri: textOf(body, 'request_uri') })
  const back = await op.wait(browser(`${issuer}/authorize?${query}`, op.signal)).catch((cause: unknown) => {
    throw isPosternError(cause) ? cause : new PosternError('client.cancelled', { cause })
  })
  const code = codeOf(back, { redirectUri, state, issuer })
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier }
  return kit.sessions.redeem({ instance, form }, op)
}

/** The code of a redirect that answers this very request (OAuth 2.1 §4.1.2, RFC 9207 §2.4). */
function codeOf(back: string, o: { redirectUri: string; state: string; issuer: string }): string {
  if (!(back === o.redirectUri || back.startsWith(`${o.redirectUri}?`) || back.startsWith(`${o.redirectUri}&`)))
    throw foreign('redirect_uri')
  const query = new URL(back).searchParams
  const one = (name: string): string | null => {
    const values = query.getAll(name)
    if (values.length > 1) throw foreign(`two ${name}`)
    return values[0] ?? null
  }
  if (one('state') !== o.state) throw foreign('state') //                                            T13: another request's answer
  if (one('iss') !== o.issuer) throw foreign('iss') //                                               T12: another server's answer
  if (one('error') !== null) throw new PosternError('registration.rejected', { reason: one('error')! })
  const code = one('code')
  if (code === null) throw foreign('code')
  return code
}

function foreign(reason: string): PosternError<'registration.rejected'> {
  return new PosternError('registration.rejected', { reason })
}
