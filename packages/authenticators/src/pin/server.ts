/**
 * pin/v1 on the server: a PIN that the server never sees, whose attempts are counted before KE2 leaves.
 * Two commits a login; the ceremony between them is held by the revision of the counter alone.
 */
import type { Now } from '@postern/core/cryptoPort'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator, Ceremony, Refusal, Step } from '../authenticator.js'
import { keyCache } from '../internal/deviceSignature.js'
import { within } from '../internal/limits.js'
import { has } from '../internal/members.js'
import { beginPin, challengePin } from '../internal/pinBegin.js'
import { type OpaqueServerEngine, opaqueEngine } from '../internal/pinEngine.js'
import { answerRequest, offerPin, storeFirst, storeNext } from '../internal/pinEnrol.js'
import { finishOldPin, finishPin, wrongPin } from '../internal/pinFinish.js'
import { failedKey, nextKey, type PinPorts, pinKey } from '../internal/pinPorts.js'
import { opaqueSuites } from '../internal/pinSuites.js'
import { refuse, refusing } from '../internal/refusal.js'
import { curve25519Over } from '../opaque/curve25519.js'
import type { PinKeys } from './keys.js'
import type { PinSuite } from './messages.js'

export type { Ke2Request, OpaqueServerEngine } from '../internal/pinEngine.js'

/** How PINs are kept and counted. */
export interface PinOptions {
  /** Suites on offer; the first is for new PINs. @defaultValue ['0001'] */
  readonly suites?: readonly [PinSuite, ...PinSuite[]]
  /** Keys by version, or `null` for one that is retired; without a version those for new PINs. See `pinKeysOf`. */
  readonly keys: (suite: PinSuite, version?: string) => Now<PinKeys | null>
  /** @defaultValue our own engine */
  readonly engine?: (suite: PinSuite) => OpaqueServerEngine
  /** N: tries between two successes, 1–10. @defaultValue 3 */
  readonly maxAttempts?: number
  /** What the last try that went wrong does. @defaultValue 'remove' */
  readonly onExhausted?: 'remove' | 'lock'
  /** F: failures in one window that lock, 5–100. @defaultValue 20 */
  readonly maxFailures?: number
  /** The window, in days, from its first failure, 1–365. @defaultValue 30 */
  readonly failureDays?: number
  /** The tenant's restore epoch: an enrolment of another one has a single try left. @defaultValue '' */
  readonly epoch?: () => string
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/**
 * The PIN authenticator.
 *
 * Answers of `begin`, in order: enrol `null` or `{suites}`, `{request}` · login, step-up, confirm, remove `null`, `{ke1}` · change `null`,
 * `{ke1}`, `{ke3}` or `{ke3, suites}`, `{request}`, `{record}`, `{ke1}` of the new PIN. `finish` takes `{record}` at enrolment, otherwise
 * `{ke3}`, or `{wrong}` when the client saw that the PIN was wrong. With no suite in common a new PIN is `pin.suite_unsupported`.
 * @throws RangeError for a limit out of its range
 */
export function createPin(o: PinOptions): Authenticator {
  const ports = portsOf(o)
  return {
    type: 'pin',
    amr: ['pin', 'pop', 'mfa', 'hwk', 'swk'],
    begin: (c, input) => refusing(async () => begin(c, input, ports)),
    finish: (c, input) =>
      refusing(async () => {
        if (c.purpose === 'enrol') return storeFirst(c, input, ports)
        return has(input, 'wrong') ? wrongPin(c, input, ports) : finishPin(c, input, ports)
      }),
    remove: (id) => [pinKey(id), failedKey(id), nextKey(id)].map((key) => ({ op: 'del', key })),
    watches: (id) => [pinKey(id), failedKey(id)],
    locked([pin, failed], holding) {
      const spent = pin != null && pin.n >= ports.maxAttempts && pin.rev !== holding
      return spent || (failed != null && failed.n >= ports.maxFailures && failed.rev !== holding)
    },
  }
}

function begin(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step | Refusal> {
  if (c.purpose === 'enrol') return has(input, 'request') ? answerRequest(c, input, ports) : offer(c, input, ports)
  if (has(input, 'ke1')) return beginPin(c, input, ports)
  if (c.purpose === 'change' && has(input, 'ke3')) return finishOldPin(c, input, ports)
  if (c.purpose === 'change' && has(input, 'request')) return answerRequest(c, input, ports)
  if (c.purpose === 'change' && has(input, 'record')) return storeNext(c, input, ports)
  return first(input, () => challengePin(c, ports))
}

/** Enrol, step 1, with or without the suites that the app can do. */
function offer(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step> {
  if (!has(input, 'suites')) return first(input, () => offerPin(c, ports, undefined))
  const { suites, ...more } = input as { readonly suites: unknown }
  if (Object.keys(more).length > 0) throw refuse('pin.refused', 'message')
  return offerPin(c, ports, suites)
}

/** Nothing is asked for by nothing; an answer that fits no question does not silently begin anew. */
function first<T>(input: unknown, ladder: () => Promise<T>): Promise<T> {
  if (input !== null && input !== undefined) throw refuse('pin.refused', 'message')
  return ladder()
}

function portsOf(o: PinOptions): PinPorts {
  const { suites = ['0001'], maxAttempts = 3, onExhausted = 'remove', maxFailures = 20, failureDays = 30, epoch = () => '' } = o
  within('maxAttempts', maxAttempts, 1, 10)
  within('maxFailures', maxFailures, 5, 100)
  within('failureDays', failureDays, 1, 365)
  const { clock, random, crypto } = o.runtime
  const ristretto = opaqueEngine(opaqueSuites['0001'], crypto)
  const own = { '0001': ristretto, '0002': ristretto, '0003': opaqueEngine(curve25519Over(crypto), crypto) }
  return {
    clock,
    random,
    crypto,
    suites: [...suites],
    maxAttempts,
    onExhausted,
    maxFailures,
    epoch,
    seal: o.seal,
    devices: keyCache(crypto),
    keys: o.keys,
    engine: o.engine ?? ((suite) => own[suite]),
    failureMs: failureDays * 86_400_000,
  }
}
