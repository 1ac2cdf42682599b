/** Options and answers between JSON and the browser: by its own methods where it has them, by ours where it is older. @see WebAuthn Level 3 §5.1.8 to §5.1.10 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'

/** Members that nobody vouches for. */
export type Bag = Readonly<Record<string, unknown>>
/** A method of the browser's, which this browser may not have. */
export type Method = ((this: unknown, argument?: unknown) => unknown) | undefined
/** The class `PublicKeyCredential` as browsers of several years have it. */
export type CredentialClass = Readonly<Record<string, Method>>

/** Members of an answer that are bytes; the newer ones are given by a method. */
const BYTES: Readonly<Record<string, string>> = {
  clientDataJSON: '',
  attestationObject: '',
  signature: '',
  userHandle: '',
  authenticatorData: 'getAuthenticatorData',
  publicKey: 'getPublicKey',
}
/** Results that a server may see. Those of PRF and large blobs are secrets of the page. */
const SENT: readonly string[] = ['credProps', 'appid', 'appidExclude']

export function isBag(value: unknown): value is Bag {
  return typeof value === 'object' && value !== null
}

/** Options as the browser takes them. @throws TypeError for what are none, or whatever the browser throws */
export function optionsOf(json: Bag, parse: Method): Bag {
  if (parse !== undefined) return parse(json) as Bag
  const { challenge, user, extensions, excludeCredentials, allowCredentials } = json
  return {
    ...json,
    challenge: bytesIn(challenge),
    ...(isBag(user) && { user: { ...user, id: bytesIn(user['id']) } }),
    excludeCredentials: described(excludeCredentials),
    allowCredentials: described(allowCredentials),
    ...(isBag(extensions) && {
      extensions: { ...extensions, ...(isBag(extensions['prf']) && { prf: bytesIn(extensions['prf']) }) },
    }),
  }
}

/** An answer for the server: everything that is signed, and of the results those that are nobody's secret. */
export function answerOf(credential: Bag, results: Bag): Bag {
  return {
    ...jsonOf(credential),
    clientExtensionResults: Object.fromEntries(SENT.filter((n) => n in results).map((n) => [n, results[n]])),
  }
}

/** Password managers put objects of their own in place of the browser's, on which its methods do not work. */
function jsonOf(credential: Bag): Bag {
  try {
    const json = (credential as CredentialClass)['toJSON']?.call(credential)
    if (isBag(json)) return json
  } catch {}
  return written(credential)
}

function written({ rawId, type, authenticatorAttachment = null, response }: Bag): Bag {
  const from = response as CredentialClass
  const id = text(rawId)
  const members = Object.entries(BYTES).map(([name, method]) => [name, text(from[name] ?? from[method]?.call(from))])
  return {
    id,
    rawId: id,
    type,
    authenticatorAttachment,
    response: {
      ...Object.fromEntries(members.filter(([, value]) => value !== undefined)),
      ...('attestationObject' in from && {
        transports: from['getTransports']?.call(from) ?? [],
        publicKeyAlgorithm: from['getPublicKeyAlgorithm']?.call(from),
      }),
    },
  }
}

/** Bytes of base64url, in however many members of however many members. */
function bytesIn(value: unknown): unknown {
  if (isBag(value)) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, bytesIn(member)]))
  const bytes = typeof value === 'string' ? decodeBase64url(value) : null
  if (bytes === null) throw new TypeError('base64url')
  return bytes
}

function described(list: unknown): readonly unknown[] {
  return ((list ?? []) as readonly Bag[]).map((one) => ({ ...one, id: bytesIn(one['id']) }))
}

function text(bytes: unknown): string | undefined {
  return isBag(bytes) ? encodeBase64url(new Uint8Array(bytes as unknown as ArrayBuffer)) : undefined
}
