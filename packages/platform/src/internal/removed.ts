/** What authenticators are told once an instance has ended, for what a host keeps outside the store. */
import { type CeremonyPorts, ceremonyOf } from './ceremony.js'
import type { Device } from './deviceRecord.js'
import { enrolledOn } from './enrolled.js'

/** Tells each authenticator that asks to be told of its enrolments there. The instance is gone whatever a host's function makes of it. */
export async function tellRemoved(ports: CeremonyPorts, device: Device): Promise<void> {
  const { registry, places, runtime, tenant } = ports
  const { store, clock } = runtime
  const part = places.device(device.id)
  for (const { id, rev, value } of await enrolledOn(store, part, clock())) {
    const authenticator = registry.get(value.type)
    if (authenticator?.removed === undefined || value.status === 'removed') continue
    const kept = await store.read(part, authenticator.watches(id), { now: clock() })
    const enrolment = { id, rev, value }
    const asked = { type: value.type, purpose: 'remove', device, user: { tenant, id: value.owner }, enrolment } as const
    await authenticator.removed(await ceremonyOf(ports, asked), kept).catch(() => undefined)
  }
}
