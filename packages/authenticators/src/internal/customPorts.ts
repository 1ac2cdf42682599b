/** What the ladder of custom authenticators works with. */
import { concat, u8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Ceremony } from '../authenticator.js'
import type { CustomInput, CustomResult } from '../custom.js'
import type { Timer } from './deadline.js'

export type HostFunction = (i: CustomInput) => Promise<CustomResult>

export interface CustomPorts {
  /** `custom:<name>` */
  readonly type: string
  /** Type of its handles, `custom.<name>`. */
  readonly handles: string
  readonly amr: readonly string[]
  readonly maxAttempts: number
  readonly deadlineMs: number
  readonly enrol: HostFunction | null
  readonly begin: HostFunction | null
  readonly finish: HostFunction
  readonly remove: ((i: CustomInput) => Promise<void>) | null
  readonly seal: Sealer
  readonly atRest: Sealer
  readonly timer: Timer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

export const customKey = (enrolment: string): string => `cus/${enrolment}`

const scopeOf = (c: Ceremony, { type }: CustomPorts, enrolment: string) => ({
  type: `${type}.data`,
  tenant: c.tenant,
  issuer: c.issuer,
  purpose: enrolment,
})

/** The value of `cus/E`: `u8 1 ‖ sealed data`; nothing at all where nothing is kept. */
export async function sealData(c: Ceremony, ports: CustomPorts, enrolment: string, data: Uint8Array): Promise<Uint8Array> {
  return concat(u8(1), await ports.atRest.seal(scopeOf(c, ports, enrolment), data))
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export async function openData(
  c: Ceremony,
  ports: CustomPorts,
  enrolment: string,
  value: Uint8Array,
): Promise<Uint8Array | null> {
  if (value.length === 0) return null
  if (value[0] !== 1) throw new PosternError('store.schema_unknown', { reason: `custom record schema ${value[0]}` })
  const data = await ports.atRest.open(scopeOf(c, ports, enrolment), value.subarray(1))
  if (data === null) throw new PosternError('store.corrupt', { reason: 'kept data that does not open' })
  return data
}
