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
import { errorResponse } from '../http.js'
import type { Instances } from '../instances.js'
import type { Journal } from '../journal.js'
import type { Policies } from '../policies.js'

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

export function createAdmin(_: AdminOptions): Admin {
  return async () => errorResponse(new PosternError('admin.unauthorized'))
}
