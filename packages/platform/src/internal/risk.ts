/** The risk of a login as a fact of the very next decision. A score that cannot be had is a missing fact, and missing is worst. */

import { type Assessment, briefReasons } from '@postern/anomaly/reasons'
import type { LoginFacts, RiskModel } from '@postern/anomaly/risk'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { PosternEvent } from '@postern/core/events'
import type { KeyRing } from '@postern/core/keyRing'
import type { HostContext } from '../node.js'
import { addressBytes } from './address.js'
import type { Device } from './deviceRecord.js'
import type { Facts } from './facts.js'

/** What scores logins; `@postern/anomaly/risk` makes one. */
export type RiskPort = Pick<RiskModel, 'score'>

export interface Risk {
  /** @param profile - of the enrolment; `null` where there is none yet */
  assess(
    login: { subject: string; device: Device; type: string; acr: number; failures: number | null },
    profile: Uint8Array | null,
    host: HostContext | undefined,
  ): Promise<Assessment | null>
}

export function createRisk(o: {
  port: RiskPort | undefined
  keys: KeyRing
  crypto: CryptoPort
  clock: () => number
  random: (n: number) => Uint8Array
}): Risk {
  let key: Promise<Uint8Array> | null = null
  const named = async (value: string): Promise<Uint8Array> => {
    key ??= o.keys.secret('postern:platform/v1:risk')
    return (await o.crypto.hmac(await o.crypto.hmacKey('SHA-256', await key), utf8(value))).slice(0, 16)
  }
  return {
    async assess({ subject, device, type, acr, failures }, profile, host) {
      if (o.port === undefined) return null
      const now = o.clock()
      const facts: LoginFacts = {
        id: o.random(16),
        at: now,
        subject: await named(`s:${subject}`),
        device: await named(`d:${device.id}`),
        deviceAgeDays: Math.max(0, (now - device.value.createdAt) / 86_400_000),
        app: device.value.app,
        appVersion: device.value.version,
        platform: device.value.platform,
        osVersion: device.value.os,
        model: device.value.model,
        ip: host?.ip === undefined ? null : addressBytes(host.ip),
        asn: null,
        kind: null,
        place: null,
        authenticator: type,
        acr,
        failuresBefore: failures,
        integrity: null,
      }
      try {
        const assessment = o.port.score(facts, profile, null)
        return Number.isFinite(assessment.score) ? assessment : null
      } catch {
        return null
      }
    },
  }
}

/** The facts that an assessment is. */
export function riskFacts(a: Assessment | null): Facts {
  if (a === null) return {}
  return {
    'risk.score': a.score,
    'risk.band': a.band,
    'risk.calibrated': a.calibrated,
    'risk.reasons': a.reasons.map(({ code }) => code),
  }
}

/** The part of an assessment that an event carries; its reasons still sum to the score's units. */
export function riskOfEvent(a: Assessment | null): Pick<PosternEvent, 'risk'> {
  if (a === null) return {}
  return { risk: { score: a.score, band: a.band, reasons: briefReasons(a.reasons) } }
}
