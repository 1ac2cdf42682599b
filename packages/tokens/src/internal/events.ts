/** What a token server tells. */
import type { EventType, PosternEvent } from '@postern/core/events'
import { ulid } from '@postern/core/ids'
import type { Part } from '@postern/store'
import { shipEvents } from '@postern/store/outbox'
import type { IssuerContext } from '../issuer.js'

/** The facts of an event beyond those every event has. */
export interface Told {
  readonly client?: { readonly id: string; readonly kind: 'instance' | 'shared' }
  readonly subject?: string
  readonly outcome?: PosternEvent['outcome']
  readonly reason?: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** What an event is told with. */
export type Teller = Pick<IssuerContext, 'runtime' | 'tenant' | 'host'>

export function eventOf(type: EventType, context: Teller, told: Told = {}): PosternEvent {
  const { runtime, tenant, host } = context
  const { client, subject, outcome = 'success', reason, detail } = told
  return {
    id: ulid(runtime.clock, runtime.random),
    at: runtime.clock(),
    tenant,
    type,
    outcome,
    ...(client !== undefined && (client.kind === 'instance' ? { device: client.id, client: client.id } : { client: client.id })),
    ...(subject !== undefined && { subject }),
    ...(reason !== undefined && { reason }),
    ...(detail !== undefined && { detail }),
    ...(host?.ip !== undefined && { ip: host.ip }),
  } as PosternEvent
}

/** A refusal changes no record and costs no commit: its event goes straight to the sink. */
export function tell(event: PosternEvent, context: Teller): void {
  later(context, async () => context.runtime.events([event]))
}

/** Ships what was just committed, where the host keeps us alive for it; otherwise its sweep does. */
export function ship(part: Part, events: readonly PosternEvent[], context: Teller): void {
  const { runtime, host } = context
  if (host?.waitUntil === undefined || events.length === 0) return
  later(context, () => shipEvents(runtime.store, part, events, runtime.events, { now: runtime.clock() }))
}

/** Runs what no reply waits for and none fails of. */
export function later({ host }: Pick<IssuerContext, 'host'>, work: () => Promise<unknown>): void {
  // What could not be told is still in the outbox, or was only a refusal.
  const done = work().catch(() => undefined)
  host?.waitUntil?.(done)
}
