/** What an issuer's URL may be, and the path in it. @see RFC 8414 §2 */
import { PosternError } from '@postern/core/errors'

const PLAIN_HTTPS = /^https:\/\/[a-z0-9.-]+(?::\d+)?(?:\/[A-Za-z0-9._~-]+)*$/

/** https without query or fragment; http on a loopback host alone. No trailing slash, so that one issuer has one name. @throws PosternError `tokens.config` */
export function checkIssuer(issuer: string): void {
  if (PLAIN_HTTPS.test(issuer)) return
  const url = URL.canParse(issuer) ? new URL(issuer) : null
  const loopback = url?.protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || loopback) || /[?#]|\/$/.test(issuer))
    throw new PosternError('tokens.config', {
      publicMessage: 'The issuer must be an https URL without query, fragment or trailing slash.',
    })
}

/** The path of an absolute URL as it is written, without query; `/` alone is the empty path. */
export function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  if (start < 0) return ''
  const below = url.slice(start)
  const end = below.search(/[?#]/)
  const path = end < 0 ? below : below.slice(0, end)
  return path === '/' ? '' : path
}

export const AUTHORIZATION_SERVER = '/.well-known/oauth-authorization-server'
export const OPENID = '/.well-known/openid-configuration'
