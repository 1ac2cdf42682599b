/** Authorization codes: sealed, nothing is stored until one is redeemed. */
import { encodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import type { Login } from '../login.js'
import { epochKeys, readGuards } from './epochs.js'
import type { Grant } from './family.js'
import { sealHandle } from './handles.js'
import { kitOf } from './kit.js'
import { sectorOf } from './pairwise.js'
import type { Redeemable } from './redeem.js'

/** What a code holds. */
export interface Code extends Redeemable {
  readonly redirectUri: string | null
  readonly challenge: string
  readonly dpopJkt: string | null
}

/** What a code is made of. */
export interface CodeInput extends Omit<GrantInput, 'exp'> {
  readonly codeChallenge: string
  readonly redirectUri: string | null
  readonly dpopJkt: string | null
}

const MAX_GRANT_BYTES = 2048
const SID = /^[a-z0-9]{1,64}$/

/** A fresh single-use id that fits a store key. */
export function newId({ runtime }: IssuerContext): string {
  return encodeBase32(runtime.random(16))
}

/** What a user granted, and for how long it can be redeemed. */
export interface GrantInput {
  readonly client: Client
  readonly login: Login
  readonly scope: readonly string[]
  readonly resource: string
  /** Granted `authorization_details`. */
  readonly details?: readonly JsonObject[] | null
  readonly nonce?: string | null
  readonly jti?: string
  /** Ms. */
  readonly exp: number
}

/** What a grant keeps of the client that it is made to. */
export function granteeOf(client: Client): Pick<Grant, 'clientId' | 'clientKind' | 'sector' | 'app' | 'clientEpoch'> {
  const { id: clientId, kind: clientKind, app, epoch } = client
  const sector = sectorOf(client)
  return {
    clientId,
    clientKind,
    ...(sector !== undefined && { sector }),
    ...(app !== undefined && { app: { ...app } }),
    ...(typeof epoch === 'string' && { clientEpoch: epoch }),
  }
}

/**
 * A grant that can be redeemed once. One read, of the epochs that the login did not bring.
 * @throws PosternError `request.malformed` for a grant above 2 KiB or a login that breaks its shape, `details.refused` for one with details,
 * `tokens.denied` for a login of a session that has ended
 */
export async function redeemableOf(input: GrantInput, context: IssuerContext): Promise<Redeemable> {
  const { client, login, scope, resource, nonce = null, exp } = input
  const { places } = kitOf(context)
  const details = input.details ?? []
  const sid = login.sid ?? null
  if (login.subject.length === 0 || login.subject.length > 255 || (sid !== null && !SID.test(sid))) throw tooLarge('login')
  const grant: Grant = {
    ...granteeOf(client),
    subject: login.subject,
    kind: login.kind ?? 'user',
    scope,
    resource,
    acr: login.acr,
    amr: login.amr,
    authTime: login.authTime,
    sid,
    nonce,
    jkt: client.kind === 'instance' ? (client.jkt ?? null) : null,
    facts: login.facts ?? null,
    ...(details.length > 0 && { details }),
  }
  if (utf8(JSON.stringify(grant)).length > MAX_GRANT_BYTES)
    throw details.length > 0 ? new PosternError('details.refused', { reason: 'details.grant' }) : tooLarge('grant')
  const keys = await epochKeys(places, grant)
  const brought = login.guards ?? []
  const part = await places.owner(client, login.subject)
  const session = client.kind === 'shared' && sid !== null ? places.sessionEpoch(sid) : null
  const asked = session === null || keys.includes(session) ? keys : [...keys, session]
  const read = await readGuards(part, asked, brought, context)
  // Only its end writes it, and a `sid` is never used again: a login that began before it comes too late (T49).
  if (session !== null && read.some(({ key, rev }) => key === session && rev !== null))
    throw new PosternError('tokens.denied', { reason: 'login.session_ended' })
  return {
    jti: input.jti ?? newId(context),
    exp,
    grant,
    epochs: read.slice(0, keys.length),
    guards: brought.filter(({ key }) => !keys.includes(key)),
    refresh: login.refresh !== false && client.grantTypes.includes('refresh_token'),
    ...(client.backchannelLogoutUri !== undefined && asked.length > keys.length && { ending: read.slice(keys.length) }),
  }
}

/**
 * Seals a code. One read, of the epochs that the login did not bring.
 * @throws PosternError as {@link redeemableOf} does
 */
export async function makeCode(input: CodeInput, context: IssuerContext): Promise<string> {
  const { client, codeChallenge, redirectUri, dpopJkt } = input
  const exp = context.runtime.clock() + context.config.lifetimes.codeSec * 1000
  const granted = await redeemableOf({ ...input, exp }, context)
  const code: Code = {
    ...granted,
    redirectUri,
    challenge: codeChallenge,
    dpopJkt: client.kind === 'instance' ? granted.grant.jkt : dpopJkt,
  }
  return sealHandle(kitOf(context), 'code', code)
}

/** The S256 challenge of a verifier (RFC 7636 §4.2). */
export async function challengeOf(crypto: CryptoPort, verifier: string): Promise<string> {
  return encodeBase64url(await crypto.digest('SHA-256', utf8(verifier)))
}

function tooLarge(what: string): PosternError<'request.malformed'> {
  return new PosternError('request.malformed', { publicMessage: `The ${what} is too large or not well-formed.` })
}
