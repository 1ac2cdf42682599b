/** The record of an enrolment that has no key of its own. */
import type { Enrolment } from '../enrolment.js'

/** A pending enrolment; `suite` is empty where unused. */
export function pendingOf(
  type: string,
  o: { readonly owner: string; readonly data: Uint8Array; readonly now: number; readonly suite?: string },
): Enrolment {
  const { owner, data, now, suite = '' } = o
  return {
    type,
    status: 'pending',
    cause: null,
    generation: 0,
    suite,
    createdAt: now,
    usedAt: 0,
    epoch: '',
    owner,
    key: null,
    keyLevel: 'software',
    data,
  }
}
