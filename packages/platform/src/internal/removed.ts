/** What authenticators are told once an instance has ended, for what a host keeps outside the store. */
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { type CeremonyPorts, ceremonyOf } from './ceremony.js'
import type { Device } from './deviceRecord.js'

/** Tells each authenticator that asks to be told of its enrolments there. The instance is gone whatever a host's function makes of it. */
export async function tellRemoved(ports: CeremonyPorts, device: Device): Promise<void> {
  const { registry, places, runtime, tenant } = ports
  const { store, clock } = runtime
  const part = places.device(device.id)
  const recs = await store.list(part, 'enr/', { now: clock(), limit: 1000 })
  for (const rec of recs) {
    const [id, value] = [rec.key.slice(4), decodeEnrolment(rec.value)]
    const authenticator = registry.get(value.type)
    if (authenticator?.removed === undefined || value.status === 'removed') continue
    const kept = await store.read(part, authenticator.watches(id), { now: clock() })
    const enrolment = { id, rev: rec.rev, value }
    const asked = { type: value.type, purpose: 'remove', device, user: { tenant, id: value.owner }, enrolment } as const
    await authenticator.removed(await ceremonyOf(ports, asked), kept).catch(() => undefined)
  }
}
