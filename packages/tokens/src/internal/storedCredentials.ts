/**
 * How a stored client authenticates, kept so that nobody who reads the store can act as it: of a secret the hash, and the secret of
 * `client_secret_jwt`, which a MAC needs whole, is derived anew from the tenant's root and a salt.
 */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { KeyRing } from '@postern/core/keyRing'
import { tuple } from '@postern/core/tuple'
import type { Runtime } from '@postern/store'
import type { ClientAuth, ClientMetadata } from '../clients.js'

/** A client's authentication as it is written. */
export type StoredAuth =
  | Exclude<ClientAuth, { readonly method: 'client_secret_jwt' }>
  | { readonly method: 'client_secret_jwt'; readonly salt: string }

/** What the answer to a registration tells once, and never again. */
interface NewSecret {
  readonly client_secret?: string
  readonly client_secret_expires_at?: 0
}

type Registered = Pick<ClientMetadata, 'method' | 'certificate'>

export interface StoredCredentials {
  /** As clients have it. */
  auth(stored: StoredAuth): ClientAuth
  /** Of a registration: an update keeps the secret, as long as the method stays what it was. */
  of(registered: Registered, attesters: readonly string[], before: StoredAuth | null): Promise<readonly [StoredAuth, NewSecret]>
}

const SECRET_BYTES = 32

/** The credentials of one tenant's clients. */
export function storedCredentials({
  keys,
  crypto,
  random,
  tenant,
}: Pick<Runtime, 'crypto' | 'random'> & { readonly keys: KeyRing; readonly tenant: string }): StoredCredentials {
  /** The secret of a MAC: nothing of it is stored, and no two salts give the same. */
  async function derived(salt: string): Promise<string> {
    const root = await crypto.hmacKey('SHA-256', await keys.secret('postern:clients/v1:secret'))
    return encodeBase64url(await crypto.hmac(root, tuple('postern:clients/v1:secret', tenant, salt)))
  }
  async function made(
    { method, certificate }: Registered,
    attesters: readonly string[],
  ): Promise<readonly [StoredAuth, NewSecret]> {
    switch (method) {
      case 'client_secret_basic':
      case 'client_secret_post': {
        const secret = encodeBase64url(random(SECRET_BYTES))
        const hash = encodeBase64url(await crypto.digest('SHA-256', utf8(secret)))
        return [
          { method, secretHashes: [hash] },
          { client_secret: secret, client_secret_expires_at: 0 },
        ]
      }
      case 'client_secret_jwt': {
        const salt = encodeBase64url(random(16))
        return [
          { method, salt },
          { client_secret: await derived(salt), client_secret_expires_at: 0 },
        ]
      }
      case 'tls_client_auth':
        return [{ method, certificate: certificate! }, {}]
      case 'attest_jwt_client_auth':
      case 'attest_jwt_client_auth_dpop':
        return [{ method, attesters }, {}]
      default:
        return [{ method }, {}]
    }
  }

  return {
    auth: (stored) => ('salt' in stored ? { method: stored.method, secret: () => derived(stored.salt) } : stored),
    async of(registered, attesters, before) {
      const kept = before?.method === registered.method && ('secretHashes' in before || 'salt' in before)
      return kept ? [before, {}] : made(registered, attesters)
    },
  }
}
