/** What stands for a message that does not open, or that has no authenticated end. */
import { PosternError } from '@postern/core/errors'
import type { Refusal } from './chunks.js'

export function refused(reason: string, cause?: unknown): PosternError<'payload.refused'> {
  return new PosternError('payload.refused', { reason, cause })
}

export function truncated(reason: string, cause?: unknown): PosternError<'payload.truncated'> {
  return new PosternError('payload.truncated', { reason, cause })
}

/** Of a request that is still coming. */
export const requestRefusal: Refusal = (why, reason, cause) =>
  why === 'refused' ? refused(reason, cause) : truncated(reason, cause)

/** Of a request that is here whole: one without an end is none. */
export const wholeRefusal: Refusal = (_, reason, cause) => refused(reason, cause)

export const replyRefusal: Refusal = (why, reason, cause) =>
  why === 'truncated' ? truncated(reason, cause) : new PosternError('payload.reply_refused', { reason, cause })
