/** The front door: a mobile security platform as one Fetch handler over the ports that a host supplies. */

import { appSignature } from '@postern/attestation/appSignature'
import { signals } from '@postern/attestation/signals'
import type { Authenticator } from '@postern/authenticators/authenticator'
import { createDeviceKey } from '@postern/authenticators/deviceKey/server'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import { createPin } from '@postern/authenticators/pin/server'
import { createRegistry } from '@postern/authenticators/registry'
import { createTransactions } from '@postern/authenticators/transaction/server'
import { PosternError } from '@postern/core/errors'
import type { EventSink, PosternEvent } from '@postern/core/events'
import { createSealer } from '@postern/core/sealed'
import { mobileSchema } from '@postern/policy/mobile'
import { defaultPinPolicy } from '@postern/policy/pin/policy'
import { publish } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { acceptLoss, requireGuarantee } from '@postern/store'
import { shipOutbox } from '@postern/store/outbox'
import { createAuthorizationServer } from '@postern/tokens'
import { besideInstances } from '@postern/tokens/clientStore'
import { type ClientPort, clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { sharedNonces } from '@postern/tokens/dpop'
import type { IssuerContext } from '@postern/tokens/issuer'
import { places as placesOf } from '@postern/tokens/places'
import { registration } from '@postern/tokens/register'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { createVerifier } from '@postern/tokens/resource'
import { type Admin, createAdmin } from './internal/admin/admin.js'
import { createBundle } from './internal/bundle.js'
import { createCaller } from './internal/caller.js'
import { createChallenges } from './internal/challenges.js'
import { createConfigStore } from './internal/config.js'
import { createDecider } from './internal/decide.js'
import type { Device } from './internal/deviceRecord.js'
import { createEnrolmentData } from './internal/enrolmentData.js'
import { createEnrolments } from './internal/enrolments.js'
import { createEventLog } from './internal/events/log.js'
import { createWatch } from './internal/events/watch.js'
import { errorResponse } from './internal/http.js'
import { createInstances } from './internal/instances.js'
import { createJournal } from './internal/journal.js'
import { livingKeys } from './internal/livingKeys.js'
import { createLogin } from './internal/login/login.js'
import { createSessions } from './internal/login/session.js'
import type { AuthenticatorKit, Platform, PlatformOptions } from './internal/options.js'
import { userKey } from './internal/partition.js'
import { createPolicies } from './internal/policies.js'
import { createPush } from './internal/push.js'
import { readiness } from './internal/ready.js'
import { createRecheck } from './internal/recheck.js'
import { decodeRecord } from './internal/record.js'
import { createRegistrations } from './internal/registrations.js'
import { tellRemoved } from './internal/removed.js'
import { createRisk } from './internal/risk.js'
import { route } from './internal/router.js'
import { createDeviceSide } from './internal/transactions/device.js'
import { createPortal } from './internal/transactions/portal.js'
import { MOBILE_AUTH, type TransactionRoom } from './internal/transactions/room.js'
import { isUserStatus } from './internal/userStatus.js'

export type { AuthenticatorKit, Platform, PlatformOptions } from './internal/options.js'
export type { Missing, Readiness } from './internal/ready.js'

const HOUR_MS = 3_600_000

/**
 * Assembles the platform. Publishes `policy` where none is in force.
 * @throws PosternError `platform.config` | `policy.publish_refused` | `store.refused_guarantee`
 */
export async function createPlatform(options: PlatformOptions): Promise<Platform> {
  const { issuer, tenant, runtime, acr } = options
  const living = await livingKeys(options.keys)
  const { keys } = living
  const { clock, random, crypto, store } = runtime
  const accepted = options[acceptLoss] ? { [acceptLoss]: true as const } : {}
  for (const kind of ['Refresh families', 'PIN counters', 'Devices'])
    requireGuarantee(store, kind, { failover: 'none' }, accepted)
  const ceilingLevel = options.unverifiedAcr === undefined ? 1 : acr.indexOf(options.unverifiedAcr) + 1
  if (ceilingLevel === 0)
    throw new PosternError('platform.config', { publicMessage: '`unverifiedAcr` must be one of the names in `acr`.' })

  const place = { tenant, issuer }
  const short = createSealer({ ring: keys.short, crypto, random, clock })
  const long = createSealer({ ring: keys.long, crypto, random, clock })
  const places = placesOf({ keys, crypto, tenant })
  const userName = async (subject: string): Promise<string> => (await places.user(subject)).id.slice(4)
  const log = createEventLog({ store, tenant, random, userName })
  const watch = createWatch({ runtime, tenant, log })
  const sink: EventSink = async (events: readonly PosternEvent[]) => {
    await watch.accept(events)
    await runtime.events(events)
  }
  const journal = createJournal({ runtime, tenant, sink })
  const config = createConfigStore({ store, tenant, clock, random })
  const policies = createPolicies({ runtime, tenant, id: 'main', schema: mobileSchema, journal })
  const decider = createDecider({ policies, config, clock })
  const repository = policies.repository((part, events) => journal.shipped(part, events, undefined))
  if ((await policies.head('main')) === null)
    await publish(options.policy(await hashSchema(mobileSchema, crypto)), {
      schema: mobileSchema,
      crypto,
      repository,
      clock,
      by: 'start-up',
    })

  // Evidence that an operating system or a vendor vouches for lifts the ceiling; what an app says of itself does not.
  const ceiling = ({ value }: Device): number | undefined =>
    ['vendor', 'hardware'].includes(value.evidence['device.integrity.evidence']) ? undefined : ceilingLevel
  const challenges = createChallenges({ sealer: short, scope: place, clock, random })
  const instances = createInstances({
    runtime,
    issuer,
    tenant,
    places,
    challenges,
    decider,
    journal,
    verifiers: options.evidence ?? [appSignature(), signals()],
    evidenceMaxAgeMs: options.evidenceMaxAgeMs ?? { 'app-signature': HOUR_MS, signals: HOUR_MS },
    allowed: {
      scope: ['enrol', 'openid', 'offline_access', ...options.scopes],
      // The issuer's own audience: tokens for enrolling, from the browser or a fresh login.
      resources: [...new Set([...Object.keys(options.resources), issuer])],
    },
    ended: (device) => tellRemoved({ runtime, issuer, tenant, places, registry }, device),
  })
  // Enrolments that were made before the first restore carry none.
  const pinEpoch = () => (living.epoch() === '0' ? '' : living.epoch())
  const own: readonly Authenticator[] = [
    createPin({ ...options.pin, keys: pinKeysOf(keys, crypto), seal: short, runtime, epoch: pinEpoch }),
    createDeviceKey({ type: 'biometric', seal: short, runtime }),
    createDeviceKey({ type: 'device-key', seal: short, runtime }),
  ]
  const data = createEnrolmentData(long, place)
  const kit: AuthenticatorKit = {
    seal: short,
    atRest: long,
    secrets: keys,
    runtime,
    subjectOf: async (enrolment) => (await data.open(enrolment.owner, enrolment.data)).subject,
  }
  const registry = createRegistry(options.authenticators?.(own, kit) ?? own)
  const risk = createRisk({ port: options.risk, keys, crypto, clock, random })
  const nonces = sharedNonces({ keys, crypto, clock, tenant, issuer, role: 'as' })
  const caller = createCaller({ runtime, issuer, nonces, places, instances })
  const challenge = createLogin({
    runtime,
    issuer,
    tenant,
    places,
    registry,
    instances,
    decider,
    journal,
    data,
    risk,
    acr,
    ceiling,
    sessions: createSessions({ sealer: short, place, clock }),
  })

  const defaultResource = Object.keys(options.resources)[0] ?? issuer
  const shared = inOrder(clientsInConfig(options.clients ?? []), options.registeredClients)
  const context: IssuerContext = {
    issuer,
    tenant,
    runtime,
    keys,
    challenge,
    config: parseConfig({
      scopes: ['openid', 'enrol', 'offline_access', MOBILE_AUTH, ...options.scopes],
      acrValues: acr,
      resources: { ...options.resources, [issuer]: { scopes: ['enrol', 'openid', 'offline_access', MOBILE_AUTH] } },
      defaultResource,
    }),
    // A handle of before a restore opens no more.
    get restoreEpoch() {
      return living.epoch()
    },
    clients: besideInstances(instances, shared, (metadata) => metadata['app_id'] !== undefined),
    recheck: createRecheck({ instances, decider, clock, store, ceiling, issuer, tenant }),
    ...(options.identity === undefined ? {} : { interaction: options.identity }),
  }
  const server = createAuthorizationServer({
    resolveIssuer: (_, host) => (host === undefined ? context : { ...context, host }),
    endpoints: [registration],
  })
  const verifierOptions = {
    issuer,
    audience: issuer,
    origin: new URL(issuer).origin,
    keys: ringKeys({ keys, crypto, clock }),
    clock,
    crypto,
    nonces,
    acrOrder: acr,
    replay: { mode: 'shared' as const, store, places, random },
  }
  const verify = createVerifier(verifierOptions)
  const enrolments = createEnrolments({
    runtime,
    issuer,
    tenant,
    places,
    registry,
    instances,
    decider,
    journal,
    data,
    verify,
    devicesPerUser: options.limits?.devicesPerUser ?? 8,
    freshSec: options.limits?.freshSec ?? 300,
  })
  const registrations = createRegistrations({
    registrars: options.registrars ?? {},
    caller,
    decider,
    journal,
    clock,
    status: async (subject) => {
      const [user] = await store.read(await places.user(subject), [userKey.record], { now: clock() })
      const found = user ? decodeRecord<{ status: string }>(user.value).status : 'pending'
      return isUserStatus(found) ? found : 'blocked'
    },
    acr: acr[0],
    resource: issuer,
  })
  const confirming: TransactionRoom = {
    runtime,
    issuer,
    tenant,
    places,
    registry,
    journal,
    data,
    transactions: createTransactions({
      keys,
      runtime,
      ...(options.keepTransactionsDays === undefined ? {} : { keepDays: options.keepTransactionsDays }),
    }),
  }
  const bundle = createBundle({
    clients: options.clients ?? [],
    issuer,
    keys,
    clock,
    pinPolicy: options.pinPolicy ?? defaultPinPolicy,
    registry,
    acr,
  })
  const push = createPush({ runtime, issuer, tenant, places, caller, sealer: long, ports: options.push ?? [] })
  const portal = createPortal(confirming, { verify, sealer: short, push })
  const confirmations = createDeviceSide(confirming, { caller, decider, ceiling })
  const admin: Admin | null =
    options.operators === undefined
      ? null
      : createAdmin({
          runtime,
          tenant,
          operators: options.operators,
          config,
          policies,
          repository,
          decider,
          journal,
          instances,
          places,
          log,
          watch,
          issuer,
        })

  /** The keys as they stand; an answer where nobody can know them. */
  async function refreshed(): Promise<Response | null> {
    try {
      await living.refresh()
      return null
    } catch (error) {
      return errorResponse(error)
    }
  }

  return {
    async fetch(request, host) {
      const failed = await refreshed()
      if (failed !== null) return failed
      return route(request, host, {
        issuer,
        server,
        context,
        challenges,
        enrolments,
        registrations,
        push,
        portal,
        confirmations,
        bundle,
        admin,
        nonces,
        verifierOptions,
      })
    },
    async wellKnown(request, host) {
      const failed = await refreshed()
      const answer = await server.wellKnown(request, host)
      return answer === null ? null : (failed ?? answer)
    },
    ready: () => readiness({ store, clock, keys: living, config, policies }),
    resume: server.resume,
    decide: (action, facts) => decider.decide(action as Parameters<typeof decider.decide>[0], facts),
    record: (events) => watch.accept(events),
    async sweep(now, budgetMs) {
      const shipped = await shipOutbox(store, sink, { now })
      await watch.flush(now)
      return { shipped, removed: (await store.sweep?.(now, budgetMs)) ?? 0 }
    },
    async close() {
      await watch.flush(clock())
      await store.close()
    },
  }
}

/** The clients of configuration first, then those that registered. */
function inOrder(configured: ClientPort, registered: ClientPort | undefined): ClientPort {
  if (registered === undefined) return configured
  return { ...registered, find: async (id, o) => (await configured.find(id, o)) ?? registered.find(id, o) }
}
