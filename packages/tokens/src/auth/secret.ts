/** Client secrets: `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1). Only their hashes are kept. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, fromUtf8, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { parseForm } from '@postern/core/form'
import type { ClientAuthMethod, Credential } from '../clientAuth.js'

const MIN_SECRET = 32

/**
 * The hash of a client secret, as `ClientAuth.secretHashes` holds it: SHA-256, which is enough for a secret nobody could guess.
 * @throws PosternError `metadata.refused` for a secret below 32 characters
 */
export async function hashSecret(crypto: CryptoPort, secret: string): Promise<string> {
  if (secret.length < MIN_SECRET)
    throw new PosternError('metadata.refused', {
      publicMessage: `A client secret needs ${MIN_SECRET} characters; this one has ${secret.length}.`,
    })
  return encodeBase64url(await crypto.digest('SHA-256', utf8(secret)))
}

/** Both ways of sending a secret. */
export const secret: ClientAuthMethod = {
  methods: ['client_secret_basic', 'client_secret_post'],
  read({ headers }, form) {
    const authorization = headers.get('authorization')
    const basic = authorization !== null && /^basic /i.test(authorization) ? readBasic(authorization.slice(6)) : null
    const posted = form.get('client_secret')
    if (basic !== null && posted !== undefined) throw new PosternError('client.credentials', { reason: 'two methods' })
    if (basic !== null) return credential('client_secret_basic', basic.id, basic.secret)
    const id = form.get('client_id')
    return posted === undefined || id === undefined ? null : credential('client_secret_post', id, posted)
  },
}

function credential(method: string, clientId: string, presented: string): Credential {
  return {
    method,
    clientId,
    async verify(client, { runtime: { crypto } }) {
      const given = await crypto.digest('SHA-256', utf8(presented))
      const hashes = client !== null && 'secretHashes' in client.auth ? client.auth.secretHashes : []
      let right = false
      // Every hash is compared, so that the time tells nothing of which one it was.
      for (const hash of hashes) right = equal(decodeBase64url(hash) ?? new Uint8Array(0), given) || right
      if (!right || client?.auth.method !== method) throw new PosternError('client.credentials', { reason: 'secret' })
      return { markers: [] }
    },
  }
}

/** RFC 7617 base64, then the first colon, then each half form-decoded once. */
function readBasic(text: string): { readonly id: string; readonly secret: string } {
  const standard = text.trim()
  const bytes =
    standard.length % 4 === 0
      ? decodeBase64url(
          standard
            .replace(/={1,2}$/, '')
            .replace(/\+/g, '-')
            .replace(/\//g, '_'),
        )
      : null
  const pair = bytes === null ? null : fromUtf8(bytes)
  const colon = pair?.indexOf(':') ?? -1
  if (pair === null || colon < 1) throw new PosternError('client.credentials', { reason: 'basic' })
  return { id: formDecoded(pair.slice(0, colon)), secret: formDecoded(pair.slice(colon + 1)) }
}

function formDecoded(text: string): string {
  try {
    return parseForm(`v=${text.replace(/&/g, '%26')}`).get('v') ?? ''
  } catch (cause) {
    if (isPosternError(cause))
      throw new PosternError('request.malformed', { publicMessage: 'Basic credentials have a broken percent escape.', cause })
    throw cause
  }
}
