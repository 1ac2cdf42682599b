/**
 * evidence/v1: the digests that evidence is bound to, one set of bytes for the phone that asks its operating system and the server that checks.
 * The challenge (32 bytes) is the server's; `jkt` is the 32-byte SHA-256 thumbprint of the device key (RFC 7638).
 */
import type { CryptoPort } from '@postern/core/cryptoPort'
import { tuple } from '@postern/core/tuple'

/** What every digest names. `app` is the host's app id. */
export interface BindingContext {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  readonly challenge: Uint8Array
}

/** For a key that does not exist yet, whose evidence *is* the key: Android's `attestationChallenge`. */
export async function keyChallenge(crypto: CryptoPort, c: BindingContext): Promise<Uint8Array> {
  return crypto.digest('SHA-256', tuple('postern:evidence/v1:key', c.issuer, c.tenant, c.app, sized(c.challenge)))
}

/** For evidence that names the device key: App Attest `clientDataHash`, Play `requestHash` or `nonce`, Android on update and refresh. */
export async function appChallenge(
  crypto: CryptoPort,
  c: BindingContext & { readonly jkt: Uint8Array; readonly purpose: 'register' | 'update' | 'refresh' | 'request' },
): Promise<Uint8Array> {
  return crypto.digest(
    'SHA-256',
    tuple('postern:evidence/v1:app', c.issuer, c.tenant, c.app, sized(c.challenge), sized(c.jkt), c.purpose),
  )
}

/** For evidence that speaks for one request (`request` = its 32-byte digest): App Attest assertion, Play on a sensitive call. */
export async function requestChallenge(
  crypto: CryptoPort,
  c: BindingContext & { readonly jkt: Uint8Array; readonly request: Uint8Array },
): Promise<Uint8Array> {
  return crypto.digest(
    'SHA-256',
    tuple('postern:evidence/v1:request', c.issuer, c.tenant, c.app, sized(c.challenge), sized(c.jkt), sized(c.request)),
  )
}

function sized(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 32) throw new RangeError('evidence/v1 binds 32-byte values alone')
  return bytes
}
