/** App instances as OAuth clients: who registers, what its evidence says, whether policy lets it in, and what is written then. */
import { combine, policyFacts } from '@postern/attestation/appraise'
import {
  type AppIdentity,
  type EvidenceVerifier,
  parseEvidence,
  type Source,
  verifyEvidence,
} from '@postern/attestation/evidence'
import { encodeBase64url } from '@postern/core/base64url'
import { setBounded } from '@postern/core/boundedMap'
import { equal, hex } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import { PosternError } from '@postern/core/errors'
import { optional, text } from '@postern/core/fields'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { newRev, type Op, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Admission, Client, ClientPort, RegistrationCall } from '@postern/tokens/clients'
import type { Places } from '@postern/tokens/places'
import { type Challenges, challengeMs } from './challenges.js'
import { configKey } from './config.js'
import { type Decider, denied } from './decide.js'
import { type Allowed, clientOf, type Device, type DeviceRecord, deviceOf } from './deviceRecord.js'
import { instanceFacts, platformOf } from './facts.js'
import type { Journal } from './journal.js'
import { deviceKey, partition } from './partition.js'
import { encodeRecord } from './record.js'
import { releaseEverywhere } from './release.js'

export interface Instances extends ClientPort {
  /** The device behind a client that this port found. */
  deviceOf(client: Client): Device
  device(id: string): Promise<Device | null>
  /** Ends an instance: tombstone and epoch in one commit; nothing is issued to it afterwards. */
  end(device: Device, by: { readonly operator?: string }): Promise<void>
  /** Forgets what is remembered of an instance. */
  forget(id: string): void
}

export interface InstanceOptions {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly challenges: Challenges
  readonly decider: Decider
  readonly journal: Journal
  readonly verifiers: readonly EvidenceVerifier[]
  /** How old evidence may be before it counts for nothing, ms by source. */
  readonly evidenceMaxAgeMs: Partial<Record<Source, number>>
  /** What an instance may ask for at most. */
  readonly allowed: Allowed
  /** Told once an instance has ended. */
  readonly ended: (device: Device) => Promise<void>
}

const name = text({ min: 1, max: 64, pattern: /^[a-z0-9][a-z0-9._-]*$/ })
const members = {
  app_id: name,
  // It is part of a store key, so that an operator can register every version that an instance can name.
  app_version: text({ min: 1, max: 64, pattern: /^[0-9a-z][0-9a-z._~-]*$/ }),
  app_platform: name,
  os_version: optional(text({ min: 1, max: 32 })),
  device_model: optional(text({ min: 1, max: 64 })),
  challenge: text({ min: 1, max: 512 }),
}

const CACHE_MAX = 10_000
const CACHE_MS = 10_000

export function createInstances(o: InstanceOptions): Instances {
  const { runtime, tenant, places, decider, journal } = o
  const { store, clock, random, crypto } = runtime
  const devices = new WeakMap<Client, Device>()
  // What a node remembers of its callers. Every commit checks the rev it acted on, so an old entry costs a retry and decides nothing.
  const remembered = new Map<string, { device: Device; at: number }>()

  function remember(device: Device): Client {
    setBounded(remembered, device.id, { device, at: clock() }, CACHE_MAX)
    const client = clientOf(tenant, o.allowed, device)
    devices.set(client, device)
    return client
  }

  async function device(id: string): Promise<Device | null> {
    if (!/^[a-z2-7]{26}$/.test(id)) return null
    const known = remembered.get(id)
    if (known && clock() - known.at < CACHE_MS) return known.device
    const [rec] = await store.read(places.device(id), [deviceKey.record], { now: clock() })
    return rec ? deviceOf(id, rec) : null
  }

  /** What is asked and proven at registration and at an update alike. */
  async function appraise(call: RegistrationCall, purpose: 'register' | 'update', before: DeviceRecord | null) {
    const { proof, jwk } = call
    const fields = read(call.metadata)
    const nonce = await o.challenges.open(fields.challenge)
    if (proof === null || jwk === null) throw new PosternError('dpop.proof', { reason: 'no proof of the device key' })
    if (proof.nonce !== encodeBase64url(nonce)) throw new PosternError('dpop.proof', { reason: 'nonce is not the challenge' })
    if (proof.jkt !== (await thumbprint(crypto, jwk))) throw new PosternError('dpop.proof', { reason: 'proof by another key' })
    const now = clock()
    const config = await decider.config()
    const app = config.apps.get(fields.app_id)
    if (app === undefined) throw new PosternError('app.unknown')
    const platform = fields.app_platform
    const known = config.versions.get(configKey.version(app.id, platform, fields.app_version).slice(4))
    const { appraisals } = await verifyEvidence(
      parseEvidence(call.metadata['evidence']),
      o.verifiers,
      {
        issuer: o.issuer,
        tenant,
        app: identityOf(app.id, known?.signatures ?? []),
        challenge: nonce,
        deviceKey: jwk,
        purpose,
        carrier: { challenge: true, deviceKey: true },
      },
      { now },
    )
    const combined = combine(appraisals, { now, maxAgeMs: o.evidenceMaxAgeMs, platform: platformOf(platform) })
    const value: DeviceRecord = {
      app: app.id,
      version: fields.app_version,
      platform,
      os: fields.os_version ?? null,
      model: fields.device_model ?? null,
      key: publicJwk(jwk),
      jkt: proof.jkt,
      evidence: policyFacts(combined),
      evidenceAt: now,
      status: 'active',
      createdAt: before?.createdAt ?? now,
      serial: call.serial,
      redirectUris: call.redirectUris,
    }
    const action = purpose === 'register' ? 'device.register' : 'device.update'
    const facts = instanceFacts(
      config,
      { ...value, createdAt: before?.createdAt ?? null, locked: before?.status === 'locked' },
      now,
    )
    const decision = await decider.decide(action, facts)
    const about = { app: app.id, appVersion: value.version, platform, ...(value.os === null ? {} : { osVersion: value.os }) }
    const closed = purpose === 'register' && app.registration === 'closed'
    if (decision.outcome !== 'allow' || closed) {
      const refusal = closed ? new PosternError('app.registration_closed') : denied(decision)
      await journal.refusal({ type: 'device.refused', outcome: 'refused', reason: refusal.code, ...about }, undefined)
      throw refusal
    }
    return { value, nonce, about }
  }

  async function admission(
    id: string,
    value: DeviceRecord,
    type: 'device.registered' | 'device.updated',
    about: object,
    own: readonly Op[] = [],
  ): Promise<Admission> {
    const part = places.device(id)
    const event = journal.event({ type, outcome: 'success', device: id, ...about })
    return {
      client: clientOf(tenant, o.allowed, { id, rev: '', value }),
      part,
      key: deviceKey.record,
      value: encodeRecord(value),
      ops: [...own, eventOp(event)],
      members: { bundle_uri: `${o.issuer}/bundle` },
      async after() {
        remembered.delete(id)
        if (type === 'device.registered') {
          const listed = partition.instances(tenant, value.app)
          await store.commit(listed, [{ op: 'put', key: id, value: new Uint8Array(0) }], { now: clock(), rev: newRev(random) })
        }
        await journal.shipped(part, [event], undefined)
      },
    }
  }

  /** The single use of an update's challenge: for one report, which may be sent again when its answer is lost. @throws PosternError `challenge.invalid` */
  async function spent(id: string, nonce: Uint8Array, metadata: JsonObject): Promise<readonly Op[]> {
    const [key, now] = [deviceKey.challenge(hex(nonce)), clock()]
    const said = await crypto.digest('SHA-256', canonicalJson(metadata))
    const [before = null] = await store.read(places.device(id), [key], { now })
    if (before === null) return [{ op: 'put', key, value: said, rev: null, expiresAt: now + challengeMs }]
    if (!equal(before.value, said)) throw new PosternError('challenge.invalid', { reason: 'used' })
    return []
  }

  return {
    nonce: 'port',
    device,
    deviceOf(client) {
      const found = devices.get(client)
      if (found === undefined) throw new PosternError('client.unknown')
      return found
    },
    forget: (id) => void remembered.delete(id),
    async find(id) {
      const found = await device(id)
      return found === null || found.value.status === 'removed' ? null : remember(found)
    },
    async admit(call) {
      const { value, nonce, about } = await appraise(call, 'register', null)
      // The challenge names the device: registering twice with it meets the first record, whatever the number of nodes.
      return admission(await places.name('postern:platform/v1:device', encodeBase64url(nonce)), value, 'device.registered', about)
    },
    async update(client, call) {
      const before = devices.get(client)
      if (before === undefined || before.value.status !== 'active') throw new PosternError('device.removed')
      if (call.proof?.jkt !== before.value.jkt) throw new PosternError('device.update_failed', { reason: 'another key' })
      const { value, nonce, about } = await appraise(call, 'update', before.value)
      if (value.app !== before.value.app || value.platform !== before.value.platform)
        throw new PosternError('device.update_failed', { reason: 'another app' })
      return admission(client.id, value, 'device.updated', about, await spent(client.id, nonce, call.metadata))
    },
    async remove(client) {
      await this.end(this.deviceOf(client), {})
    },
    async end(found, { operator }) {
      // Users first, and again afterwards, for an enrolment that was under way.
      await releaseEverywhere(o, found.id, operator)
      const part = places.device(found.id)
      const event = journal.event({
        type: 'device.removed',
        outcome: 'success',
        device: found.id,
        app: found.value.app,
        ...(operator === undefined ? {} : { operator }),
      })
      // Unconditional: a removal never loses to an update.
      await store.commit(
        part,
        [
          { op: 'put', key: deviceKey.record, value: encodeRecord({ ...found.value, status: 'removed' } satisfies DeviceRecord) },
          { op: 'put', key: places.epoch, value: new Uint8Array(0) },
          eventOp(event),
        ],
        { now: clock(), rev: newRev(random) },
      )
      remembered.delete(found.id)
      await releaseEverywhere(o, found.id, operator)
      await journal.shipped(part, [event], undefined)
      await o.ended(found)
    },
  }
}

type Fields = {
  app_id: string
  app_version: string
  app_platform: string
  challenge: string
  os_version?: string
  device_model?: string
}

/** Our members of the registration; what else RFC 7591 allows is the token server's. @throws PosternError `metadata.refused` */
function read(metadata: JsonObject): Fields {
  const out: Record<string, unknown> = {}
  for (const [member, reader] of Object.entries(members)) {
    const value: JsonValue | undefined = metadata[member]
    try {
      if (typeof reader === 'function') out[member] = reader(value ?? null, member)
      else if (value !== undefined) out[member] = reader.optional(value, member)
    } catch (cause) {
      throw new PosternError('metadata.refused', {
        cause,
        publicMessage: `The member ${member} is missing or not of the expected form.`,
      })
    }
  }
  return out as Fields
}

/** What the app must be: `team.bundle` for Apple's platforms, certificate digests elsewhere. */
function identityOf(id: string, signatures: readonly string[]): AppIdentity {
  const certificates = signatures.filter((one) => /^[0-9a-f]{64}$/i.test(one.replaceAll(':', '')))
  const apple = signatures.filter((one) => !certificates.includes(one) && one.includes('.'))
  return {
    id,
    ...(certificates.length === 0 ? {} : { certificates }),
    ...(apple.length === 0
      ? {}
      : {
          teams: apple.map((one) => one.slice(0, one.indexOf('.'))),
          bundles: apple.map((one) => one.slice(one.indexOf('.') + 1)),
        }),
  }
}
