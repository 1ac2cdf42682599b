/** Nobody overwrites what he has not seen: a write names the state it was made from (RFC 9110 §13.1, RFC 6585 §3). */
import { PosternError } from '@postern/core/errors'
import type { Answer } from './call.js'

const TAG = /^"([!#-~]{1,128})"$/

/**
 * The rev that a write was made from; `null` for a creation.
 * One strong tag and no `*`: "whatever stands there" is what this is meant to prevent.
 * @throws PosternError `admin.precondition_required` | `admin.invalid` for both at once
 */
export function expectedRev(request: Request): string | null {
  const match = request.headers.get('if-match')
  const none = request.headers.get('if-none-match')
  if (match !== null && none !== null)
    throw new PosternError('admin.invalid', { publicMessage: 'Send If-Match or If-None-Match, not both.' })
  if (none?.trim() === '*') return null
  const [, rev] = TAG.exec(match?.trim() ?? '') ?? []
  if (rev === undefined) throw new PosternError('admin.precondition_required')
  return rev
}

/** 412 with the state that stands, so that nothing typed is lost and no second question is needed. */
export function stale(current: Pick<Answer, 'body' | 'rev'> | null): Answer {
  const { publicMessage, code, status } = new PosternError('admin.precondition_failed')
  return {
    status,
    body: { error: 'precondition_failed', error_description: publicMessage, code, current: current?.body ?? null },
    ...(current?.rev === undefined ? {} : { rev: current.rev }),
  }
}

/** Whether a conditional GET is met by what its sender has (RFC 9110 §13.1.2, weak comparison). */
export function unchanged(request: Request, etag: string): boolean {
  const tags = request.headers.get('if-none-match')
  return tags?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag) ?? false
}
