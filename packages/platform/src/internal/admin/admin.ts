/** The admin API: operators' own door, below `/admin` (platform.md §3.8). One resource a file; this one knows who asks and who answers. */
import { PosternError } from '@postern/core/errors'
import type { PolicyRepository } from '@postern/policy/publish'
import type { Runtime } from '@postern/store'
import type { Places } from '@postern/tokens/places'
import type { OperatorTrust } from '../../admin.js'
import type { HostContext } from '../../node.js'
import type { ConfigStore } from '../config.js'
import type { Decider } from '../decide.js'
import type { EventLog } from '../events/log.js'
import type { Watch } from '../events/watch.js'
import type { Instances } from '../instances.js'
import type { Journal } from '../journal.js'
import type { Policies } from '../policies.js'
import { appRooms } from './apps.js'
import type { Room } from './call.js'
import { createConfigRecords } from './configRecords.js'
import { deviceRooms } from './devices.js'
import { eventRooms } from './events.js'
import { graphRooms } from './graphs.js'
import { createOperators } from './operators.js'
import { osRuleRooms } from './osRules.js'
import { policyRooms } from './policies.js'
import { readQuery } from './query.js'
import { forbidden, refusal, respond } from './respond.js'
import { userRooms } from './users.js'

/** Answers one request; `path` is what stands below `/admin`, such as `/v1/apps`. Never throws. */
export type Admin = (request: Request, path: string, host: HostContext | undefined) => Promise<Response>

export interface AdminOptions {
  readonly runtime: Runtime
  readonly tenant: string
  readonly operators: OperatorTrust
  readonly config: ConfigStore
  readonly policies: Policies
  readonly repository: PolicyRepository
  readonly decider: Decider
  readonly journal: Journal
  readonly instances: Instances
  readonly places: Places
  readonly log: EventLog
  readonly watch: Watch
  readonly issuer: string
}

/** The admin API over the platform's parts. */
export function createAdmin(o: AdminOptions): Admin {
  const { clock, crypto, store } = o.runtime
  const base = `${o.issuer}/admin`
  const operatorOf = createOperators({ trust: o.operators, clock, crypto })
  const records = createConfigRecords({ store, clock, tenant: o.tenant, config: o.config, journal: o.journal })
  const rooms: readonly Room[] = [
    ...appRooms(records, o.config),
    ...osRuleRooms(records, o.config),
    ...policyRooms(o),
    ...deviceRooms(o, base),
    ...userRooms(o),
    ...eventRooms(o, base),
    ...graphRooms(o),
  ]

  return async (request, path, host) => {
    try {
      // Before anything else: a stranger learns not even which paths there are.
      const operator = await operatorOf(request)
      const here = rooms.filter((room) => room.path.test(path))
      if (here.length === 0) throw new PosternError('admin.not_found')
      const room = here.find(({ method }) => method === request.method)
      if (room === undefined)
        return refusal(new PosternError('request.method'), { allow: here.map(({ method }) => method).join(', ') })
      if (!operator.scopes.has(room.scope)) return forbidden(room.scope)
      const query = readQuery(new URL(request.url), room.query ?? [])
      const params = room.path.exec(path)!.slice(1)
      return await respond(await room.answer({ request, operator, params, query, host }), request, crypto)
    } catch (error) {
      return refusal(error)
    }
  }
}
