/** What is enrolled on an instance, as its partition holds it: of all its users, tombstones and unfinished ones included. */
import { decodeEnrolment, type Enrolled, enrolmentKey } from '@postern/authenticators/enrolment'
import type { Op, Part, Rec, Store } from '@postern/store'

/** An enrolment beside the record that says so. */
export interface StoredEnrolment extends Enrolled {
  readonly rec: Rec
}

const PREFIX = enrolmentKey('')
/** Tombstones that a user keeps on a device: so long an app that has forgotten is told what became of its enrolment. */
const TOMBSTONES = 16
/** Of those beyond, so many go with a commit: more than a commit makes. */
const AT_ONCE = 8

/** In the order of their ids; 1,000 at most. */
export async function enrolledOn(store: Store, device: Part, now: number): Promise<readonly StoredEnrolment[]> {
  const recs = await store.list(device, PREFIX, { now, limit: 1000 })
  return recs.map((rec) => ({ id: rec.key.slice(PREFIX.length), rev: rec.rev, value: decodeEnrolment(rec.value), rec }))
}

/** The oldest tombstones of a user that are too many, to be deleted with what he enrols: a device that lives for years stays readable in one go. */
export function buried(mine: readonly Enrolled[]): readonly Op[] {
  return mine
    .filter(({ value }) => value.status === 'removed')
    .sort((a, b) => b.value.createdAt - a.value.createdAt)
    .slice(TOMBSTONES)
    .slice(-AT_ONCE)
    .map(({ id }) => ({ op: 'del', key: `${PREFIX}${id}` }))
}
