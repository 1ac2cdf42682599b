/** `users/{subject}`: the host's subject id, its status and devices. Nothing else about a person is kept here. */
import { devicesKey, readDevices } from '@postern/authenticators/devices'
import { PosternError } from '@postern/core/errors'
import { deviceOf } from '../deviceRecord.js'
import { deviceKey, userKey } from '../partition.js'
import { decodeRecord } from '../record.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Room } from './call.js'
import { deviceView, enrolmentsOf } from './deviceView.js'

const SUBJECT = '([^/]{1,765})'

export function userRooms({ runtime, places }: AdminOptions): readonly Room[] {
  const { store, clock } = runtime

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
