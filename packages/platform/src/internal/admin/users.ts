/** `users/{subject}`: the host's subject id, its status and devices, and the switch that blocks it. Nothing else about a person is kept here. */
import { devicesKey, readDevices } from '@postern/authenticators/devices'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { object, oneOf } from '@postern/core/fields'
import { newRev } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { deviceOf } from '../deviceRecord.js'
import { readJson } from '../http.js'
import { deviceKey, userKey } from '../partition.js'
import { decodeRecord, encodeRecord } from '../record.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Call, Room } from './call.js'
import { deviceView, enrolmentsOf } from './deviceView.js'
import { expectedRev, stale } from './precondition.js'

const SUBJECT = '([^/]{1,765})'

const statusBody = object({ status: oneOf('active', 'blocked') })
const MAX_ROUNDS = 8

export function userRooms({ runtime, places, journal }: AdminOptions): readonly Room[] {
  const { store, clock, random } = runtime

  async function user(raw: string): Promise<Answer> {
    const subject = subjectOf(raw)
    const part = await places.user(subject)
    const now = clock()
    const [rec, devices] = await store.read(part, [userKey.record, devicesKey], { now })
    if (!rec) throw new PosternError('admin.not_found')
    const { status, createdAt } = decodeRecord<{ status: string; createdAt?: number }>(rec.value)
    const count = readDevices(devices ?? null, now).length
    return { body: { subject, status, created_at: createdAt ?? null, devices: count }, rev: rec.rev }
  }

  /**
   * Blocks a user or lets him in again. His own record first, with the epoch of his shared clients; then the copy on each of his devices, whose new rev
   * ends every code and family there. It returns after all of them; after a crash in between the same call finishes it.
   */
  async function change(call: Call): Promise<Answer> {
    const subject = subjectOf(call.params[0]!)
    const seen = expectedRev(call.request)
    const { status } = statusBody(await readJson(call.request))
    const part = await places.user(subject)
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const now = clock()
      const [rec, listed] = await store.read(part, [userKey.record, devicesKey], { now })
      if (!rec) throw new PosternError('admin.not_found')
      if (rec.rev !== seen) return stale(await user(call.params[0]!))
      const event = journal.event({
        type: 'admin.changed',
        outcome: 'success',
        operator: call.operator.id,
        subject,
        detail: { resource: 'users', change: 'update', fields: 'status' },
      })
      const value = encodeRecord({ ...decodeRecord<object>(rec.value), status })
      const commit = await store.commit(
        part,
        [
          { op: 'put', key: userKey.record, value, rev: seen },
          // Who is on the list when this commits gets the status below; who comes later reads it in the user's own record.
          { op: 'check', key: devicesKey, rev: listed?.rev ?? null },
          { op: 'put', key: places.epoch, value: utf8(String(now)) },
          eventOp(event),
        ],
        { now, rev: newRev(random) },
      )
      if (!commit.ok) continue
      const epoch = await places.userEpoch(subject)
      for (const { id } of readDevices(listed ?? null, now))
        await store.commit(places.device(id), [{ op: 'put', key: epoch, value: utf8(status) }], {
          now: clock(),
          rev: newRev(random),
        })
      await journal.shipped(part, [event], call.host)
      return user(call.params[0]!)
    }
    throw new PosternError('store.overloaded')
  }

  async function devices(raw: string): Promise<Answer> {
    const part = await places.user(subjectOf(raw))
    const now = clock()
    const [rec] = await store.read(part, [devicesKey], { now })
    const entries = readDevices(rec ?? null, now)
    const views = await Promise.all(
      entries.map(async ({ id, status, until }) => {
        const [found] = await store.read(places.device(id), [deviceKey.record], { now })
        const enrolments = await enrolmentsOf(store, places.device(id), now, part.id)
        const place = { status, ...(until === 0 ? {} : { until }) }
        const own = enrolments.map(({ id: enrolment, type, status: state }) => ({ id: enrolment, type, status: state }))
        return { ...(found ? deviceView(deviceOf(id, found)) : { client_id: id }), place, enrolments: own }
      }),
    )
    return { body: { devices: views }, ...(rec ? { rev: rec.rev } : {}) }
  }

  return [
    {
      method: 'GET',
      path: new RegExp(`^/v1/users/${SUBJECT}$`),
      scope: 'users:read',
      answer: ({ params: [subject] }) => user(subject!),
    },
    { method: 'PUT', path: new RegExp(`^/v1/users/${SUBJECT}$`), scope: 'users:write', answer: change },
    {
      method: 'GET',
      path: new RegExp(`^/v1/users/${SUBJECT}/devices$`),
      scope: 'users:read',
      answer: ({ params: [subject] }) => devices(subject!),
    },
  ]
}

/** One path segment as the subject it encodes: no slash, no control character, nothing half-encoded. */
function subjectOf(raw: string): string {
  let subject: string
  try {
    subject = decodeURIComponent(raw)
  } catch {
    throw new PosternError('admin.not_found')
  }
  if (subject.length > 255 || /[\u0000-\u001f\u007f]/.test(subject)) throw new PosternError('admin.not_found')
  return subject
}
