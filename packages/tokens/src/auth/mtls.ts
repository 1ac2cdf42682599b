/**
 * Mutual TLS (RFC 8705 §2): `tls_client_auth` by a certificate authority's word, `self_signed_tls_client_auth` by a key that is registered. The
 * TLS layer proves that the caller holds the certificate's key; what arrives here is its bytes, from the host alone. No header is ever read for
 * it (T36): behind a proxy that ends TLS, the host hands in what the proxy vouches for, over a channel that nobody else can write to.
 */

import { equal, hex } from '@postern/core/bytes'
import { derFlags, readDer } from '@postern/core/der'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import {
  type Certificate,
  type ChainRules,
  extendedUsages,
  extensionOid,
  parseCertificate,
  publicKeyOf,
  type TrustAnchor,
  verifyChain,
} from '@postern/core/x509'
import { alternativeNames, type NameAttribute, readName } from '@postern/core/x509Names'
import type { ClientAuthMethod, Credential } from '../clientAuth.js'
import type { CertificateName, Client } from '../clients.js'
import { ipText, parseDistinguishedName, type WantedAttribute } from '../internal/certificateName.js'
import { clientJwks } from '../internal/clientKeys.js'
import { type PathName, urlOf } from '../internal/endpoint.js'
import type { IssuerContext } from '../issuer.js'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const ANY_USAGE = '2.5.29.37.0'
const DIGITAL_SIGNATURE = 0
const MAX_CHAIN = 8
const MAX_PATHS = 8

/**
 * The `tls_client_auth` method. Revocation is not looked up: the TLS layer's lists, or short-lived certificates, are what ends one early.
 * @param o.anchors - certificates (DER) of the authorities whose word counts; their keys are trusted, their own dates are not asked
 * @param o.intermediates - certificates of authorities between, which TLS leaves out when it hands over the client's own
 * @throws PosternError `x509.refused` | `der.malformed` for a certificate of those that is none
 */
export function caSigned(o: {
  readonly anchors: readonly Uint8Array[]
  readonly intermediates?: readonly Uint8Array[]
}): ClientAuthMethod {
  const anchors = o.anchors.map(parseCertificate)
  const intermediates = (o.intermediates ?? []).map(parseCertificate)
  return {
    methods: ['tls_client_auth'],
    ambient: true,
    announce,
    read: (_request, form, context) =>
      credential('tls_client_auth', form, context, async (certificate, client, { runtime: { clock, crypto } }) => {
        checkUsage(certificate)
        await verifyPath(certificate, intermediates, { anchors, now: clock(), crypto })
        const { auth } = client
        if (auth.method !== 'tls_client_auth' || !isNamed(certificate, auth.certificate)) throw refuse('name')
      }),
  }
}

/** The `self_signed_tls_client_auth` method: the certificate's key is one of the client's, whoever signed it (RFC 8705 §2.2). Its dates are heeded. */
export const selfSigned: ClientAuthMethod = {
  methods: ['self_signed_tls_client_auth'],
  ambient: true,
  announce,
  read: (_request, form, context) =>
    credential('self_signed_tls_client_auth', form, context, async (certificate, client, at) => {
      const now = at.runtime.clock()
      if (now < certificate.notBefore || now > certificate.notAfter) throw refuse('expired')
      const own = publicKeyOf(certificate.spki)
      for (const jwk of await clientJwks(client, at)) if (await isKey(jwk, own, at)) return
      throw refuse('key')
    }),
}

/** RFC 8705 §3.3, §5. */
function announce(context: IssuerContext): JsonObject {
  const { config, interaction, device, ciba, issuer } = context
  const { mtlsBase } = config
  const aliased: readonly (readonly [string, PathName, boolean])[] = [
    ['token_endpoint', 'token', true],
    ['introspection_endpoint', 'introspect', true],
    ['revocation_endpoint', 'revoke', true],
    ['pushed_authorization_request_endpoint', 'par', interaction !== undefined],
    ['device_authorization_endpoint', 'device', device !== undefined],
    ['backchannel_authentication_endpoint', 'ciba', ciba !== undefined],
  ]
  const aliases = aliased.flatMap(([name, path, offered]) =>
    offered ? [[name, mtlsBase + urlOf(path, context).slice(issuer.length)]] : [],
  )
  return {
    tls_client_certificate_bound_access_tokens: true,
    ...(mtlsBase !== undefined && { mtls_endpoint_aliases: Object.fromEntries(aliases) }),
  }
}

type Check = (certificate: Certificate, client: Client, context: IssuerContext) => Promise<void>

function credential(
  method: 'tls_client_auth' | 'self_signed_tls_client_auth',
  form: ReadonlyMap<string, string>,
  { host }: IssuerContext,
  check: Check,
): Credential | null {
  const der = host?.clientCertificate
  const clientId = form.get('client_id') //                                                           RFC 8705 §2
  if (der === undefined || clientId === undefined) return null
  return {
    method,
    clientId,
    async verify(client, context) {
      try {
        if (client?.auth.method !== method) throw refuse('method')
        await check(parseCertificate(der), client, context)
        return { markers: [] }
      } catch (cause) {
        throw isPosternError(cause, 'x509.refused', 'der.malformed', 'crypto.invalid_key')
          ? refuse(cause.reason ?? 'form', cause)
          : cause
      }
    },
  }
}

/** A certificate that says what it is for must say this. */
function checkUsage(certificate: Certificate): void {
  const usages = extendedUsages(certificate)
  if (usages !== null && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) throw refuse('usage')
  const flags = certificate.extensions.get(extensionOid.keyUsage)
  if (flags !== undefined && !derFlags(readDer(flags.value)).includes(DIGITAL_SIGNATURE)) throw refuse('usage')
}

/** Any path of the configured certificates that holds: an authority that turned its key has two under one name. */
async function verifyPath(leaf: Certificate, between: readonly Certificate[], rules: ChainRules): Promise<void> {
  let last: unknown = refuse('chain.anchor')
  let tries = 0
  for (const path of pathsFrom([leaf], between, rules.anchors)) {
    if (++tries > MAX_PATHS) break
    try {
      return await verifyChain(path, rules)
    } catch (cause) {
      if (!isPosternError(cause)) throw cause
      last = cause
    }
  }
  throw last
}

function* pathsFrom(
  path: readonly Certificate[],
  between: readonly Certificate[],
  anchors: readonly TrustAnchor[],
): Generator<readonly Certificate[]> {
  const { issuer } = path.at(-1)!
  if (anchors.some(({ subject }) => equal(subject, issuer))) yield path
  if (path.length === MAX_CHAIN) return
  for (const next of between)
    if (equal(next.subject, issuer) && !path.includes(next)) yield* pathsFrom([...path, next], between, anchors)
}

/** Whether the certificate's subject is exactly this, or one of its alternative names is. @throws PosternError `x509.refused` | `der.malformed` */
function isNamed(certificate: Certificate, name: CertificateName): boolean {
  if ('dn' in name) return isSubject(readName(certificate.subject), parseDistinguishedName(name.dn))
  const { dns, uri, email, ip } = alternativeNames(certificate)
  if ('dns' in name) return dns.includes(name.dns)
  if ('uri' in name) return uri.includes(name.uri)
  if ('email' in name) return email.includes(name.email)
  const wanted = ipText(name.ip)
  return wanted !== null && ip.some((bytes) => ipText(textOf(bytes)) === wanted)
}

function isSubject(given: readonly (readonly NameAttribute[])[], wanted: readonly (readonly WantedAttribute[])[]): boolean {
  const same = (one: NameAttribute, { type, text, value }: WantedAttribute): boolean =>
    one.type === type && (value === null ? one.text === text : equal(one.value, value))
  return (
    given.length === wanted.length &&
    given.every((step, i) => {
      const asked = wanted[i]!
      return step.length === asked.length && asked.every((attribute) => step.some((one) => same(one, attribute)))
    })
  )
}

function textOf(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : (hex(bytes).match(/.{4}/g) ?? []).join(':')
}

async function isKey(jwk: JsonWebKey, own: JsonWebKey, { runtime: { crypto } }: IssuerContext): Promise<boolean> {
  try {
    return (await thumbprint(crypto, jwk)) === (await thumbprint(crypto, own))
  } catch (error) {
    if (isPosternError(error, 'crypto.invalid_key')) return false
    throw error
  }
}

function refuse(reason: string, cause?: unknown): PosternError<'client.credentials'> {
  return new PosternError('client.credentials', { reason: `mtls.${reason}`, cause })
}
