/**
 * Authenticators that a host writes as plain functions. What a host may forget is done here: each answer is counted and its handle burnt
 * before a function sees it, state travels sealed, a throw, a late answer or a foreign result costs the try and says nothing outside.
 */
import { PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator, KeyLevel, Purpose } from './authenticator.js'
import { acceptCustom } from './internal/customAccept.js'
import { answerCustom, beginCustom } from './internal/customAnswer.js'
import { removeCustom } from './internal/customCall.js'
import { type CustomPorts, customKey } from './internal/customPorts.js'
import type { Timer } from './internal/deadline.js'
import { within } from './internal/limits.js'
import { refusing } from './internal/refusal.js'
import { isAmr } from './registry.js'

export type { Timer } from './internal/deadline.js'

/** What a host's function is told of the device. */
export interface DeviceFacts {
  /** `null` where no device proved itself. */
  readonly id: string | null
  readonly keyLevel: KeyLevel | null
  readonly app: string
}

/** What a host's function is asked with. Every array is its own copy. */
export interface CustomInput {
  readonly purpose: Purpose
  /** The user, by the id of his partition. */
  readonly subjectRef: string
  readonly device: DeviceFacts
  /** What the app sent, JSON of at most 16 KiB; `null` in the first call of a ceremony. */
  readonly answer: JsonValue | null
  /** What the function before it returned, as only we could have sealed it. */
  readonly state: Uint8Array | null
  /** What `done` kept last. */
  readonly data: Uint8Array | null
  /** 32 bytes that are confirmed, or `null`. */
  readonly bind: Uint8Array | null
  /** Aborted at the deadline. */
  readonly signal: AbortSignal
}

/** What a host's function says; anything else is `custom.invalid_result`. */
export type CustomResult =
  /** Ask on; at most eight times. `reply` is JSON of at most 16 KiB, `state` at most 4 KiB. */
  | { readonly outcome: 'continue'; readonly reply: JsonValue; readonly state?: Uint8Array }
  /** Yes. `amr` is among those declared, by default all of them; `data`, at most 16 KiB, replaces what was kept. */
  | { readonly outcome: 'done'; readonly amr?: readonly string[]; readonly data?: Uint8Array; readonly reply?: JsonValue }
  /** No, but ask again in the same place. */
  | { readonly outcome: 'retry'; readonly reply?: JsonValue }
  /** No, and the enrolment is locked, or removed. */
  | { readonly outcome: 'fatal'; readonly reply?: JsonValue; readonly remove?: boolean }

/** A host's authenticator. `enrol` and `finish` see each answer, `begin` the start of all other ceremonies. */
export interface CustomAuthenticator {
  /** Its type is `custom:<name>`: `[a-z0-9][a-z0-9-]{0,31}`. */
  readonly name: string
  /** The most a verdict may claim: RFC 8176 values or absolute URIs. */
  readonly amr: readonly string[]
  /** Answers between two `done`, 1–20: give it all steps of a ceremony and the mistakes. @defaultValue 5 */
  readonly maxAttempts?: number
  /** 100–60,000 ms. @defaultValue 10,000 */
  readonly deadlineMs?: number
  /** Without it, enrolling asks nothing. It may be `done` before any answer. */
  enrol?(i: CustomInput): Promise<CustomResult>
  /** Asks; may not be `done`, since nothing was answered. Without it the app is asked for an answer. */
  begin?(i: CustomInput): Promise<CustomResult>
  finish(i: CustomInput): Promise<CustomResult>
  /** After the enrolment is gone: for what the host keeps elsewhere. */
  remove?(i: CustomInput): Promise<void>
}

/** What surrounds the host's functions. */
export interface CustomOptions {
  /** For handles; a ring of short-lived keys. */
  readonly seal: Sealer
  /** For kept data; a ring whose keys outlive it. */
  readonly atRest: Sealer
  readonly timer: Timer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/

/**
 * The authenticator `custom:<name>`.
 *
 * Answers, in order: `begin` `null`, `begin` `{answer}` until the body says `ask: 'finish'`, `finish` `null`. Its body is
 * `{ask, outcome, reply}`. A try is taken only where `device` proved its key or `proven` names a factor before this one.
 * @throws PosternError `authenticator.invalid` for a name or an `amr` that cannot be
 * @throws RangeError for a limit out of its range
 */
export function createCustom(definition: CustomAuthenticator, o: CustomOptions): Authenticator {
  const ports = portsOf(definition, o)
  return {
    type: ports.type,
    amr: ports.amr,
    begin: (c, input) => refusing(async () => (input == null ? beginCustom(c, ports) : answerCustom(c, input, ports))),
    finish: (c, input) => refusing(() => acceptCustom(c, input, ports)),
    remove: (id) => [{ op: 'del', key: customKey(id) }],
    watches: (id) => [customKey(id)],
    locked: ([counter], holding) => counter != null && counter.n >= ports.maxAttempts && counter.rev !== holding,
    removed: (c, [kept]) => removeCustom(c, kept ?? null, ports),
  }
}

/** Read once: what a host changes later changes nothing. */
function portsOf(definition: CustomAuthenticator, { seal, atRest, timer, runtime }: CustomOptions): CustomPorts {
  const { name, maxAttempts = 5, deadlineMs = 10_000, enrol, begin, finish, remove } = definition
  const amr = [...definition.amr]
  if (!NAME.test(name)) throw invalid('a name has 1 to 32 lower-case letters, digits or hyphens and does not begin with one')
  const foreign = amr.find((value) => !isAmr(value))
  if (foreign !== undefined) throw invalid(`amr ${foreign}`)
  within('maxAttempts', maxAttempts, 1, 20)
  within('deadlineMs', deadlineMs, 100, 60_000)
  return {
    type: `custom:${name}`,
    handles: `custom.${name}`,
    amr,
    maxAttempts,
    deadlineMs,
    enrol: enrol?.bind(definition) ?? null,
    begin: begin?.bind(definition) ?? null,
    finish: finish.bind(definition),
    remove: remove?.bind(definition) ?? null,
    seal,
    atRest,
    timer,
    runtime,
  }
}

function invalid(reason: string): PosternError<'authenticator.invalid'> {
  return new PosternError('authenticator.invalid', { publicMessage: `The custom authenticator cannot be made: ${reason}.` })
}
