/** Origins as they are compared. */
import { PosternError } from '@postern/core/errors'

/**
 * The serialised origin (RFC 6454 §6.2): `https`, or `http` on the loopback address for development.
 * @throws PosternError `payload.config`
 */
export function normalOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const loopback = url?.protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  // Whatever an origin does not have (path, query, fragment, user) would stand in `href`.
  if (url === null || url.href !== `${url.origin}/` || !(url.protocol === 'https:' || loopback))
    throw new PosternError('payload.config', {
      publicMessage: 'An origin is https (or http on loopback), host and port, no path.',
    })
  return url.origin
}
