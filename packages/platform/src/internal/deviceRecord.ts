/** The record `d` of an instance's partition: what this installation is, with which key, and what its evidence said. */

import type { PolicyFacts } from '@postern/attestation/appraise'
import type { Rec } from '@postern/store'
import type { Client } from '@postern/tokens/clients'
import { deviceKey } from './partition.js'
import { decodeRecord } from './record.js'

export interface DeviceRecord {
  readonly app: string
  readonly version: string
  readonly platform: string
  readonly os: string | null
  readonly model: string | null
  /** The device key: public members alone. */
  readonly key: JsonWebKey
  readonly jkt: string
  /** Policy facts that the evidence yields, and when it arrived (ms). */
  readonly evidence: PolicyFacts
  readonly evidenceAt: number
  readonly status: 'active' | 'locked' | 'removed'
  readonly createdAt: number
  /** Serial of the registration access token. */
  readonly serial: number
  readonly redirectUris: readonly string[]
}

/** A device as it was read. */
export interface Device {
  readonly id: string
  readonly rev: string
  readonly value: DeviceRecord
}

/** The device of a record. @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function deviceOf(id: string, rec: Rec): Device {
  return { id, rev: rec.rev, value: decodeRecord<DeviceRecord>(rec.value) }
}

/** What an app instance may ever ask for; `/token` and policy narrow it. */
const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials']

/** What every instance may ask for: scopes, and the audiences of its tokens. */
export interface Allowed {
  readonly scope: readonly string[]
  readonly resources: readonly string[]
}

/** The OAuth client that a device is. */
export function clientOf(tenant: string, { scope, resources }: Allowed, { id, rev, value }: Device): Client {
  return {
    id,
    kind: 'instance',
    auth: { method: 'none' },
    jkt: value.jkt,
    dpopBound: true,
    redirectUris: value.redirectUris,
    grantTypes,
    scope,
    resources,
    record: { part: { tenant, id: `dev:${id}` }, key: deviceKey.record, rev },
    serial: value.serial,
    metadata: { token_endpoint_auth_method: 'none', app_id: value.app, app_version: value.version, app_platform: value.platform },
    app: { id: value.app, platform: value.platform, version: value.version },
  }
}
