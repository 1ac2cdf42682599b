import { PosternError } from '@postern/core/errors'

/** A key, or what was encapsulated to one, that is none. */
export function invalidKey(reason: string, cause?: unknown): PosternError<'hpke.invalid_key'> {
  return new PosternError('hpke.invalid_key', { reason, cause })
}
