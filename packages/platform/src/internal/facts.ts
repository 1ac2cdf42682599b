/** Records as facts: everything a decision may rest on, by policy's names. What a record does not say is not a fact, and missing is worst. */
import type { Platform, PolicyFacts } from '@postern/attestation/appraise'

import type { MobileSpec } from '@postern/policy/mobile'
import type { FactInput } from '@postern/policy/schema'
import { compareVersions, parseVersion } from '@postern/policy/version'
import { type Config, configKey, type VersionStatus } from './config.js'
import type { DeviceRecord } from './deviceRecord.js'

/** Facts as a caller hands them in; types refuse a name that the schema does not have. */
export type Facts = Partial<FactInput<MobileSpec>>

/** Authenticator types as the schema names them. */
export type Methods = NonNullable<Facts['authenticator.methods']>

/** The names of the schema's platforms; what an app calls itself otherwise is `other`. */
export function platformOf(name: string): Platform {
  return name === 'ios' || name === 'android' || name === 'web' ? name : 'other'
}

/** What an app instance says and is, before or after it has a record. */
export interface InstanceClaim {
  readonly app: string
  readonly version: string
  readonly platform: string
  readonly os: string | null
  readonly evidence: PolicyFacts
  /** Ms; what the evidence's age counts from. */
  readonly evidenceAt: number
  /** Ms; `null` for one that is only registering. */
  readonly createdAt: number | null
  readonly locked: boolean
}

/** The facts of app, version, system and device. */
export function instanceFacts(config: Config, claim: InstanceClaim, now: number): Facts {
  const { app, version, platform, os, evidence } = claim
  const age = evidence['device.integrity.ageSec']
  return {
    'app.id': app,
    'app.version': version,
    'app.versionStatus': versionStatus(config, claim),
    'os.platform': platformOf(platform),
    ...(os === null ? {} : { 'os.version': os }),
    'device.new': claim.createdAt === null,
    'device.ageDays': claim.createdAt === null ? 0 : Math.max(0, Math.floor((now - claim.createdAt) / 86_400_000)),
    'device.locked': claim.locked,
    ...evidence,
    ...(age === undefined ? {} : { 'device.integrity.ageSec': age + Math.max(0, Math.floor((now - claim.evidenceAt) / 1000)) }),
  }
}

/** The same for an instance with a record. */
export function deviceFacts(config: Config, device: DeviceRecord, now: number): Facts {
  return instanceFacts(config, { ...device, locked: device.status !== 'active' }, now)
}

/** The status of an app's version; a version that no operator registered is `unregistered`. */
export function versionStatus(
  config: Config,
  { app, platform, version }: Pick<InstanceClaim, 'app' | 'platform' | 'version'>,
): VersionStatus | 'unregistered' {
  return config.versions.get(configKey.version(app, platform, version).slice(4))?.status ?? 'unregistered'
}

/** Whether the operator's rule for a system refuses this version; a missing or unreadable version is outdated where there is a rule. */
export function osOutdated(config: Config, { platform, os }: Pick<InstanceClaim, 'platform' | 'os'>): boolean {
  const rule = config.os.get(platform)
  if (rule === undefined) return false
  const version = os === null ? null : parseVersion(os)
  if (version === null) return rule.min !== null || rule.blocked.length > 0
  const least = rule.min === null ? null : parseVersion(rule.min)
  if (least !== null && compareVersions(version, least) < 0) return true
  return rule.blocked.some((blocked) => {
    const one = parseVersion(blocked)
    return one !== null && compareVersions(version, one) === 0
  })
}
