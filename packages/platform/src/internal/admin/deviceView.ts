/** A device as operators see it: what it is and what its evidence said; nothing that could stand in for it. */
import type { Part, Store } from '@postern/store'
import type { Device } from '../deviceRecord.js'
import { enrolledOn } from '../enrolled.js'

/** The public members of a device. */
export function deviceView({ id, value }: Device): object {
  return {
    client_id: id,
    app: value.app,
    app_version: value.version,
    app_platform: value.platform,
    os_version: value.os,
    device_model: value.model,
    status: value.status,
    created_at: value.createdAt,
    jkt: value.jkt,
    evidence: value.evidence,
    evidence_at: value.evidenceAt,
  }
}

/** Enrolments on a device, optionally those of one user's partition. */
export async function enrolmentsOf(
  store: Store,
  part: Part,
  now: number,
  owner?: string,
): Promise<readonly { readonly id: string; readonly type: string; readonly status: string; readonly owner: string }[]> {
  return (await enrolledOn(store, part, now))
    .filter(({ value }) => owner === undefined || value.owner === owner)
    .map(({ id, value: { type, status, owner: of } }) => ({ id, type, status, owner: of }))
}
