/** The partitions that platform owns or shares, and the keys of its own records in them (platform.md §3.1). */
import type { Part } from '@postern/store'

/** Keys of an instance's partition, `dev:<client_id>`. */
export const deviceKey = {
  record: 'd',
  challenge: (digest: string): string => `ch/${digest}`,
  enrolment: (id: string): string => `enr/${id}`,
} as const

/** Keys of a user's partition, `usr:<h(subject)>`. */
export const userKey = { record: 'u', devices: 'devices' } as const

/** The partition of configuration, of policies, of the shipped events of an hour, a user or a device. */
export const partition = {
  config: (tenant: string): Part => ({ tenant, id: 'cfg' }),
  policies: (tenant: string): Part => ({ tenant, id: 'pol' }),
  instances: (tenant: string, app: string): Part => ({ tenant, id: `reg:${app}.0` }),
  eventsOfHour: (tenant: string, hour: string): Part => ({ tenant, id: `ev:${hour}.0` }),
  eventsOfUser: (tenant: string, user: string): Part => ({ tenant, id: `evu:${user}` }),
  eventsOfDevice: (tenant: string, device: string): Part => ({ tenant, id: `evd:${device}` }),
} as const
