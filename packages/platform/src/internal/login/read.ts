/** What a login starts from, read once and then carried by its session. */
import type { Assessment } from '@postern/anomaly/reasons'
import { decodeEnrolment, type Enrolled, type Enrolment, encodeEnrolment } from '@postern/authenticators/enrolment'
import { factsOf, watchedKeys } from '@postern/authenticators/registry'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import type { Rec } from '@postern/store'
import type { HostContext } from '../../node.js'
import type { Device } from '../deviceRecord.js'
import { enrolledOn } from '../enrolled.js'
import { PASSKEY, passkeysOf } from '../passkeys.js'
import { statusOf } from '../userStatus.js'
import type { LoginRoom } from './attempt.js'
import type { Candidate } from './plan.js'
import type { LoginSession } from './session.js'

/** The part of a session that comes from the store. */
type Start = Pick<LoginSession, 'device' | 'jkt' | 'owner' | 'subject' | 'status' | 'epoch' | 'failures' | 'enrolments' | 'risk'>

/** Who logs in: a user of this instance by his profile, or whom a passkey has named. */
export interface Who {
  readonly profile: string | null
  /** Id of his partition, and the subject that stands in what he proved. */
  readonly named?: { readonly owner: string; readonly subject: string }
}

/** What a login starts from: the user's enrolments on this device, his passkeys, their locks, his status, his risk. */
export async function readLogin(room: LoginRoom, device: Device, who: Who, host: HostContext | undefined): Promise<Start> {
  const { places, registry, data, risk } = room
  const { store, clock } = room.runtime
  const part = places.device(device.id)
  const now = clock()
  // The session carries these, so what is none any more stays behind: tombstones only ever grow in number.
  const standing = (await enrolledOn(store, part, now)).filter(
    ({ value }) => value.status === 'active' || value.status === 'locked',
  )
  const owner = who.named?.owner ?? ownerOf(standing, who.profile)
  const mine = standing.filter(({ value }) => value.owner === owner)
  const [passkey] = registry.get(PASSKEY) === null ? [] : await activePasskeys(room, owner)
  const watched = watchedKeys(
    registry,
    mine.map(({ id, value }) => ({ id, type: value.type })),
  )
  const [latest] = [...mine, ...(passkey ? [passkey] : [])].sort((a, b) => b.value.usedAt - a.value.usedAt)
  if (latest === undefined) throw new PosternError('profile.unknown')
  const { subject, profile: usual } = await data.open(owner, latest.value.data)
  const epoch = await places.userEpoch(subject)
  const [status, ...beside] = await store.read(part, [epoch, ...watched], { now })
  const { enrolments } = factsOf(registry, [...mine.map(({ rec }) => rec), ...beside.filter((rec): rec is Rec => rec !== null)], {
    owner,
  })
  // Tries that were taken and not yet made good: of the counters its authenticator watches, the one that a success starts anew comes first.
  const [counter] = registry.get(latest.value.type)?.watches(latest.id) ?? []
  const failures = beside.find((rec) => rec?.key === counter && counter !== undefined)?.n ?? 0
  const assessed = await risk.assess({ subject, device, type: latest.value.type, acr: 0, failures }, usual, host)
  return {
    device: device.id,
    jkt: device.value.jkt,
    owner,
    subject,
    status: statusOf(status ?? null),
    epoch: { key: epoch, rev: status?.rev ?? null },
    failures,
    enrolments: [
      ...mine.map(({ id, rev, rec }) => ({
        id,
        rev,
        value: encodeBase64url(rec.value),
        locked: enrolments.some((view) => view.id === id && view.state === 'locked'),
      })),
      ...(passkey === undefined ? [] : [passkeyEntry(passkey)]),
    ],
    risk: assessed === null ? null : riskIn(assessed),
  }
}

/** What a session keeps of an assessment. */
function riskIn({ score, band, calibrated, reasons }: Assessment): NonNullable<LoginSession['risk']> {
  return { score, band, calibrated, reasons: reasons.map(({ code }) => code) }
}

/** A passkey as the session carries it. */
function passkeyEntry({ id, rev, value }: Enrolled): LoginSession['enrolments'][number] {
  return { id, rev, value: encodeBase64url(encodeEnrolment(value)), locked: false, passkey: true }
}

/** The one user of the instance, or the one that a profile names. @throws PosternError `profile.unknown` */
function ownerOf(standing: readonly { readonly value: Enrolment }[], profile: string | null): string {
  const owners = [...new Set(standing.map(({ value }) => value.owner))]
  const owner = profile === null ? owners[0] : owners.find((one) => one === `usr:${profile}`)
  if (owner === undefined || (profile === null && owners.length > 1)) throw new PosternError('profile.unknown')
  return owner
}

async function activePasskeys({ tenant, runtime }: LoginRoom, owner: string): Promise<readonly Enrolled[]> {
  const all = await passkeysOf(runtime.store, { tenant, id: owner }, runtime.clock())
  return all.filter(({ value }) => value.status === 'active')
}

/** The session's enrolments as records again, of the types that are still in service. */
export async function candidatesOf({ data, registry }: LoginRoom, session: LoginSession): Promise<readonly Candidate[]> {
  const all = await Promise.all(
    session.enrolments.map(async ({ id, rev, value, locked }) => {
      const enrolment = decodeEnrolment(decodeBase64url(value)!)
      const { preferred } = await data.open(enrolment.owner, enrolment.data)
      return { id, rev, value: enrolment, locked, preferred }
    }),
  )
  return all.filter(({ value }) => registry.get(value.type) !== null)
}
