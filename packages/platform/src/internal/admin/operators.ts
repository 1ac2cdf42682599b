/** Operators prove themselves by a bearer JWT (RFC 9068) of an issuer that the host trusts; nothing is fetched. */
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { type Jws, readJws, verifyJws } from '@postern/core/jws'
import type { Clock } from '@postern/core/runtime'
import type { OperatorTrust } from '../../admin.js'
import type { Operator } from './call.js'

const rules = {
  algs: ['ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA', 'PS256', 'RS256'] as readonly SignAlg[],
  // RFC 9068 §2.1: an ID token of the same issuer is no key to this door.
  typ: ['at+jwt', 'application/at+jwt'],
}
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i
const SKEW_MS = 60_000
const MAX_LIFE_MS = 24 * 3_600_000

/** Authenticates operators. @throws PosternError `admin.unauthorized`, the rung in its reason */
export function createOperators(o: {
  trust: OperatorTrust
  clock: Clock
  crypto: CryptoPort
}): (request: Request) => Promise<Operator> {
  const { clock, crypto } = o
  const audience = o.trust.audience
  const keys = o.trust.issuers.flatMap(({ issuer, keys: own }) => own.map((jwk) => ({ issuer, jwk })))

  return async (request) => {
    const [, token] = BEARER.exec(request.headers.get('authorization') ?? '') ?? []
    if (token === undefined) throw new PosternError('admin.unauthorized', { reason: 'missing' })
    const jws = read(token)
    for (const { issuer, jwk } of keys) {
      if (!mayBe(jws, jwk)) continue
      const claims = await verified(jws, jwk)
      // The key belongs to one issuer: a token of another that names this one is a forgery by a trusted hand.
      if (claims !== null) return operatorOf(claims, issuer)
    }
    throw refuse('key')
  }

  function operatorOf(claims: JsonObject, issuer: string): Operator {
    const now = clock()
    if (claims['iss'] !== issuer) throw refuse('iss') //                                           RFC 9068 §4
    if (!namesUs(claims['aud'])) throw refuse('aud')
    const expiresAt = milliseconds(claims['exp'], 'exp')
    if (expiresAt <= now) throw refuse('exp')
    if (expiresAt > now + MAX_LIFE_MS) throw refuse('exp.far')
    for (const name of ['nbf', 'iat'])
      if (claims[name] !== undefined && milliseconds(claims[name], name) > now + SKEW_MS) throw refuse(name)
    // A token bound to a key (RFC 9449, RFC 8705) is not a bearer token: whoever holds it here may have stolen it.
    if (claims['cnf'] !== undefined) throw refuse('cnf')
    const id = claims['sub']
    if (typeof id !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(id)) throw refuse('sub')
    const scope = claims['scope']
    if (scope !== undefined && typeof scope !== 'string') throw refuse('scope')
    return { id, issuer, expiresAt, scopes: new Set((scope ?? '').split(' ')) }
  }

  function namesUs(aud: JsonValue | undefined): boolean {
    return aud === audience || (Array.isArray(aud) && (aud as readonly JsonValue[]).includes(audience))
  }

  async function verified(jws: Jws, jwk: JsonWebKey): Promise<JsonObject | null> {
    let key: VerifyKey
    try {
      key = await crypto.verifyKey(jws.alg, jwk)
      return await verifyJws(crypto, jws, key)
    } catch {
      return null
    }
  }
}

function read(token: string): Jws {
  try {
    return readJws(token, rules)
  } catch (cause) {
    throw new PosternError('admin.unauthorized', { cause, reason: 'jws' })
  }
}

/** Whether a key comes into question: by id where both have one, and by algorithm where the key names it. */
function mayBe({ kid, alg }: Jws, jwk: JsonWebKey): boolean {
  const named = (jwk as { kid?: string }).kid
  return (kid === null || named === undefined || named === kid) && (jwk.alg === undefined || jwk.alg === alg)
}

function milliseconds(value: JsonValue | undefined, reason: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw refuse(reason)
  return value * 1000
}

function refuse(reason: string): PosternError<'admin.unauthorized'> {
  return new PosternError('admin.unauthorized', { reason })
}
