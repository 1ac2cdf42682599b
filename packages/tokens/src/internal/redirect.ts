/** Redirect URIs: registered ones by rule, presented ones by exact string. @see RFC 9700 §4.1, RFC 8252 §7 */
import { PosternError } from '@postern/core/errors'

const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?=[/?]|$)/

/**
 * Whether a client may register this URI: https; http on a loopback host; for app instances a private-use scheme in reverse-domain form.
 * @throws PosternError `redirect.refused`
 */
export function checkRedirectUri(uri: string, kind: 'instance' | 'shared'): void {
  if (uri.length > 1024 || !/^[\x21-\x7e]+$/.test(uri) || /[#\\*]/.test(uri) || !URL.canParse(uri)) throw refused()
  const { protocol, hostname, username, password, href } = new URL(uri)
  if (username !== '' || password !== '' || /\/\.\.?(?:[/?]|$)|%2e/i.test(uri)) throw refused()
  // A browser takes `https:/x` for a path of the page that redirects, though the parser finds a host in it.
  if (/^https?:/.test(protocol) && !/^https?:\/\/[^/]/i.test(uri)) throw refused()
  if (protocol === 'https:') return
  if (protocol === 'http:' && (LOOPBACK.test(href) || hostname === 'localhost')) return
  if (kind === 'instance' && /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:$/.test(protocol)) return // RFC 8252 §7.1
  throw refused()
}

/** Whether the presented URI is one of the registered: the same string; only the port of a loopback IP may differ (RFC 8252 §7.3). */
export function isRegistered(presented: string, registered: readonly string[]): boolean {
  if (registered.includes(presented)) return true
  const portless = withoutPort(presented)
  return portless !== null && registered.some((uri) => withoutPort(uri) === portless)
}

function withoutPort(uri: string): string | null {
  const match = LOOPBACK.exec(uri)
  if (match === null || /[#\\@]/.test(uri) || !URL.canParse(uri)) return null
  return match[0].replace(/:\d{1,5}$/, '') + uri.slice(match[0].length)
}

/** The URI with these parameters added to its query. */
export function withQuery(uri: string, parameters: Readonly<Record<string, string | null>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== null) query.set(name, value)
  const added = query.toString()
  return added === '' ? uri : uri + (uri.includes('?') ? '&' : '?') + added
}

function refused(): PosternError<'redirect.refused'> {
  return new PosternError('redirect.refused', {
    publicMessage:
      'A redirect URI must be https, http on a loopback host, or an app’s private-use scheme in reverse-domain form.',
  })
}
