/** The JWT bearer grant (RFC 7523 §2.1): the assertion of an issuer that the host trusts is a grant, once. No refresh token comes of it. */

import type { SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import { type Jws, readJws, verifyJws } from '@postern/core/jws'
import type { Op, Rec } from '@postern/store'
import type { Evaluated, GrantType, TokenCall } from '../grant.js'
import { spend } from '../internal/authenticate.js'
import { newId } from '../internal/code.js'
import { epochKeys, readGuards } from '../internal/epochs.js'
import { eventOf } from '../internal/events.js'
import { judge, MAX_TRIES } from '../internal/judge.js'
import { kitOf } from '../internal/kit.js'
import { sectorOf } from '../internal/pairwise.js'
import { clientResource, clientScope } from '../internal/scope.js'
import { invalidGrant, malformed } from '../internal/wire.js'
import { assertionRules, numericDate, textClaim } from '../jose.js'
import type { Guard } from '../login.js'
import type { IssuerKeys } from '../resource.js'

/** Whose word counts, and for what. */
export interface TrustedIssuer {
  /** The exact `iss`. */
  readonly issuer: string
  /** A key set fetched by age, or a ring: nothing is fetched for an assertion. */
  readonly keys: IssuerKeys
  /** Default ES256, EdDSA, Ed25519. */
  readonly algs?: readonly SignAlg[]
  /** What it can grant at most. */
  readonly scope: readonly string[]
  /** Which clients may bring its assertions; default all that have the grant type. */
  readonly clients?: readonly string[]
  /** The host's subject that a verified assertion is about; `null`: nobody here. */
  subject(claims: JsonObject): Promise<string | null>
  /** The level that its authentication counts as; default none. */
  readonly acr?: string
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const MAX_LIFE_MS = 300_000
const SKEW_MS = 60_000

/** The grant type. */
export const jwtBearer: GrantType = {
  grantType: JWT_BEARER,
  offered: ({ trustedIssuers }) => (trustedIssuers?.length ?? 0) > 0,
  async evaluate(form, call) {
    const { client, context } = call
    const text = form.get('assertion')
    if (text === undefined) throw malformed('assertion is missing.')
    const { issuer, claims, jti, exp } = await readAssertion(text, call)
    const scope = clientScope(form.get('scope'), client, context.config).filter(
      (token) => token !== 'openid' && token !== 'offline_access',
    )
    if (!scope.every((token) => issuer.scope.includes(token))) throw new PosternError('scope.refused')
    const resource = clientResource(form.get('resource'), client, context.config)
    const subject = await issuer.subject(claims)
    if (subject === null) throw invalidGrant('assertion.subject')
    const { places } = kitOf(context)
    const grantee = { subject, clientId: client.id, clientKind: client.kind, sid: null, scope }
    const epochs = await readGuards(await places.owner(client, subject), await epochKeys(places, grantee), [], context)
    const marker = await places.sharedProofOp({ jkt: `issuer:${issuer.issuer}`, jti }, exp + SKEW_MS)
    // Judged first: an assertion that is refused for another reason is not spent.
    const turn: Turn = { call, issuer, subject, scope, resource, epochs, tries: 0, current: null }
    const judged = await evaluate(turn)
    await spend([{ ...marker, spent: 'grant.invalid' }], context)
    return judged
  },
}

/** RFC 7523 §3. @throws PosternError `grant.invalid`, whatever is wrong */
async function readAssertion(
  text: string,
  { client, now, context }: TokenCall,
): Promise<{ readonly issuer: TrustedIssuer; readonly claims: JsonObject; readonly jti: string; readonly exp: number }> {
  const { trustedIssuers = [], runtime, issuer: here } = context
  try {
    const claimed = issuerOf(text)
    const issuer = trustedIssuers.find((one) => one.issuer === claimed) //                                §3, 1
    if (issuer === undefined) throw invalidGrant('assertion.issuer')
    if (issuer.clients?.includes(client.id) === false) throw invalidGrant('assertion.client')
    const jws = readJws(text, assertionRules(issuer.algs))
    const key = jws.kid === null ? null : await issuer.keys.find(jws.kid)
    if (key === null) throw invalidGrant('assertion.kid')
    const claims = await verifyJws(runtime.crypto, jws, key) //                                          9
    if (claims.aud !== here) throw invalidGrant('assertion.audience') //                                 3: the issuer string alone (T27)
    const exp = numericDate(claims.exp, 'exp') * 1000
    if (exp <= now) throw invalidGrant('assertion.expired') //                                           4
    if (exp > now + MAX_LIFE_MS) throw invalidGrant('assertion.too long')
    if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now + SKEW_MS) throw invalidGrant('assertion.early') // 5
    if (claims.iat !== undefined && numericDate(claims.iat, 'iat') * 1000 > now + SKEW_MS) throw invalidGrant('assertion.future') // 6
    textClaim(claims, 'sub', 255) //                                                                     2
    return { issuer, claims, exp, jti: textClaim(claims, 'jti', 128) } //                                7
  } catch (cause) {
    if (isPosternError(cause, 'jws.refused')) throw invalidGrant(`assertion.${cause.reason ?? 'form'}`)
    throw cause
  }
}

/** Whom it claims to be from, unverified: only to find the keys and algorithms that verify it. */
function issuerOf(text: string): string | null {
  const anyone: Jws = readJws(text, assertionRules(ANY))
  const claims = parseJson(anyone.payload, { maxDepth: 16 })
  const issuer = typeof claims === 'object' && claims !== null && 'iss' in claims ? claims.iss : null
  return typeof issuer === 'string' ? issuer : null
}

const ANY: readonly SignAlg[] = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'RS256', 'PS256']

interface Turn {
  readonly call: TokenCall
  readonly issuer: TrustedIssuer
  readonly subject: string
  readonly scope: readonly string[]
  readonly resource: string
  readonly epochs: readonly Guard[]
  readonly tries: number
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
}

async function evaluate(turn: Turn): Promise<Evaluated> {
  const { call, issuer, subject, scope, resource, epochs, tries, current } = turn
  const { client, proof, proofOps, now, request, context } = call
  const part = await kitOf(context).places.owner(client, subject)
  const sector = sectorOf(client)
  const grant = {
    subject,
    ...(sector !== undefined && { sector }),
    clientId: client.id,
    clientKind: client.kind,
    kind: 'user',
    scope,
    resource,
    acr: issuer.acr ?? null,
    amr: [],
    authTime: null,
    sid: null,
    nonce: null,
    jkt: proof?.jkt ?? null,
    facts: null,
  } as const
  const lifetimeSec = context.config.resources[resource]?.accessSec ?? context.config.lifetimes.accessSec
  const judged = await judge(
    { at: 'exchange', grant, part, guards: [], seen: null, current, scope, lifetimeSec, request },
    context,
  )
  const ops: readonly Op[] = [
    ...(judged.guards.length + proofOps.length > 0 ? [...epochs, ...judged.guards] : []).map(
      ({ key, rev }): Op => ({ op: 'check', key, rev }),
    ),
    ...proofOps,
  ]
  return {
    part,
    ops,
    event: eventOf('token.issued', context, {
      client,
      subject,
      detail: { grant: 'jwt-bearer', issuer: issuer.issuer, scope: judged.scope.join(' ') },
    }),
    plan: {
      ...grant,
      part,
      // No family, but a name for one: its epochs are the grant's, and a tombstone of that name would end it.
      family: { id: newId(context), row: false },
      epochs,
      scope: judged.scope,
      lifetimeSec: judged.lifetimeSec,
      notAfter: now + lifetimeSec * 1000,
      acr: judged.acr,
      app: client.app === undefined ? null : { ...client.app },
      refresh: null,
      members: judged.members,
      claims: judged.claims,
    },
    async conflict(at, rec) {
      const { key } = ops[at]!
      if (key.startsWith('j/')) throw new PosternError('dpop.proof', { reason: 'dpop.replayed' })
      if (epochs.some((guard) => guard.key === key)) throw invalidGrant('assertion.revoked')
      if (tries + 1 >= MAX_TRIES) throw new PosternError('store.overloaded')
      return evaluate({ ...turn, tries: tries + 1, current: { key, rec } })
    },
  }
}
