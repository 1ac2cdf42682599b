/** A user's passkeys: they live in his own partition, beside the record that says whether he may do anything at all. */
import { decodeEnrolment, type Enrolled, enrolmentKey } from '@postern/authenticators/enrolment'
import { decodeBase64url } from '@postern/core/base64url'
import type { Part, Rec, Store } from '@postern/store'
import { userKey } from './partition.js'
import { decodeRecord } from './record.js'
import { isUserStatus, type UserStatus } from './userStatus.js'

/** The type whose enrolments are a user's and no device's. */
export const PASSKEY = 'webauthn'

/** As many as a challenge can name. */
const MOST = 32

/** The user's own record as it was read. */
export interface UserRecord {
  readonly rev: string
  readonly status: UserStatus
}

/** `null` where there is none: nobody has enrolled anything yet. */
export function userOf(rec: Rec | null): UserRecord | null {
  if (rec === null) return null
  const { status } = decodeRecord<{ status: string }>(rec.value)
  return { rev: rec.rev, status: isUserStatus(status) ? status : 'blocked' }
}

/** What a user has, the last used first and tombstones last; at most 32, pending ones included. */
export async function passkeysOf(store: Store, user: Part, now: number): Promise<readonly Enrolled[]> {
  const recs = await store.list(user, enrolmentKey('', PASSKEY), { now, limit: 1000 })
  return recs
    .map((rec) => ({ id: rec.key.slice(3), rev: rec.rev, value: decodeEnrolment(rec.value) }))
    .sort((a, b) => Number(gone(a)) - Number(gone(b)) || b.value.usedAt - a.value.usedAt)
    .slice(0, MOST)
}

function gone({ value }: Enrolled): boolean {
  return value.status === 'removed'
}

/** Those that may sign in, as a ceremony names them. */
export function credentialsOf(passkeys: readonly Enrolled[]): readonly { id: Uint8Array; transports: readonly string[] }[] {
  return passkeys.flatMap(({ value: { status, credential } }) =>
    status === 'active' && credential !== undefined
      ? [{ id: decodeBase64url(credential.id)!, transports: credential.transports }]
      : [],
  )
}

/** One passkey beside the user's record, in one read. */
export async function passkeyOf(
  store: Store,
  user: Part,
  id: string,
  now: number,
): Promise<{ readonly user: UserRecord | null; readonly passkey: Enrolled | null }> {
  const [u, rec] = await store.read(user, [userKey.record, enrolmentKey(id, PASSKEY)], { now })
  return { user: userOf(u ?? null), passkey: rec ? { id, rev: rec.rev, value: decodeEnrolment(rec.value) } : null }
}
