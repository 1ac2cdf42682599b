/** Origins as they are compared. */
import { PosternError } from '@postern/core/errors'

/**
 * The serialised origin (RFC 6454 §6.2): `https`, or `http` on the loopback address for development.
 * @throws PosternError `payload.config`
 */
export function normalOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new PosternError('payload.config', { publicMessage: 'An origin is scheme, host and port, without a path.' })
  const loopback = url.protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !loopback)
    throw new PosternError('payload.config', { publicMessage: 'An origin is https; http is for the loopback address alone.' })
  return url.origin
}
