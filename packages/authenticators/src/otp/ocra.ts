/** OCRA: a code that answers a question. @see RFC 6287 */
import { concat, equal, fromHex, hex, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { within } from '../internal/limits.js'
import { counterBytes, type KeyOptions, prepared, truncated } from '../internal/otpCode.js'
import { type OtpHash, sha1 } from './sha1.js'
import { totpStepAt } from './totp.js'

/** An OCRASuite taken apart. */
export interface OcraSuite {
  readonly text: string
  readonly hash: OtpHash['name']
  /** 4–10; 0 is no truncation: the code is the whole HMAC as lower-case hexadecimal. */
  readonly digits: number
  /** C: both sides keep a counter. */
  readonly counter: boolean
  /** Q: letters and digits, digits, or hexadecimal; at most so many characters of one party. */
  readonly question: { readonly format: 'A' | 'N' | 'H'; readonly max: number }
  /** P: the hash of the user's PIN. */
  readonly pin: OtpHash['name'] | null
  /** S: bytes of session information. */
  readonly sessionBytes: number | null
  /** T: seconds of a step. */
  readonly stepSec: number | null
}

// RFC 6287 §6; hours from 1 (erratum 3729). Optional parts keep their order, and nothing has a default: two spellings would be two codes.
const SUITE =
  /^OCRA-1:HOTP-(SHA1|SHA256|SHA512)-(0|[4-9]|10):(C-)?Q([ANH])(0[4-9]|[1-5]\d|6[0-4])(?:-P(SHA1|SHA256|SHA512))?(?:-S(\d{3}))?(?:-T(?:([1-9]|[1-5]\d)([SM])|([1-9]|[1-3]\d|4[0-8])H))?$/
const QUESTIONS = { A: /^[A-Za-z0-9]+$/, N: /^[0-9]+$/, H: /^[0-9A-Fa-f]+$/ } as const
const HASH_BYTES = { SHA1: 20, SHA256: 32, SHA512: 64 } as const
const MAX_SESSION_BYTES = 512
const QUESTION_BYTES = 128

/** Reads a suite, strictly. @throws PosternError `otp.suite` @see RFC 6287 §6 */
export function parseOcraSuite(text: string): OcraSuite {
  const part = SUITE.exec(text)
  if (part === null) throw suiteError('not written as RFC 6287 §6')
  const [, hash, digits, counter, format, max, pin, session, time, unit, hours] = part
  const sessionBytes = session === undefined ? null : Number(session)
  if (sessionBytes === 0 || sessionBytes! > MAX_SESSION_BYTES) throw suiteError('session length')
  const stepSec = time !== undefined ? Number(time) * (unit === 'M' ? 60 : 1) : hours !== undefined ? Number(hours) * 3600 : null
  return {
    text,
    hash: hash as OtpHash['name'],
    digits: Number(digits),
    counter: counter !== undefined,
    question: { format: format as 'A' | 'N' | 'H', max: Number(max) },
    pin: (pin as OtpHash['name'] | undefined) ?? null,
    sessionBytes,
    stepSec,
  }
}

/** What a code answers. Give exactly what the suite names. */
export interface OcraInput {
  /** Up to twice the suite's length, for the two questions of mutual authentication (RFC 6287 §7.2), the other party's first. */
  readonly question: string
  readonly counter?: bigint
  /** The PIN's hash by the suite's algorithm. */
  readonly pinHash?: Uint8Array
  /** At most as long as the suite says; shorter is padded with zeros on the left. */
  readonly session?: Uint8Array
  /** Time step since the epoch, in units of the suite. */
  readonly step?: bigint
}

export interface OcraOptions extends KeyOptions {
  readonly suite: OcraSuite
  /** 16–128 bytes. */
  readonly key: Uint8Array
  /** Must be the suite's. @defaultValue sha1 */
  readonly hash?: OtpHash
}

/**
 * The code of an input.
 * @throws PosternError `otp.suite` when hash or input are not the suite's | `otp.key_length` | `otp.counter`
 * @see RFC 6287 §5, §6.3
 */
export function ocra(o: OcraOptions, input: OcraInput): string {
  return answer(o, macOf(o), fixed(o.suite, input), input.counter, input.step)
}

/** A code to be found in the counters that come next and the steps around an instant, as far as the suite has them. */
export interface OcraTry extends OcraOptions {
  readonly code: string
  readonly input: Omit<OcraInput, 'counter' | 'step'>
  /** The last counter that was used, −1n for none. */
  readonly after: bigint
  /** ms */
  readonly now: number
  /** Counters beyond the next one, 0–10. @defaultValue 5 */
  readonly lookAhead?: number
  /** Steps on either side of the present one, 0–10. @defaultValue 1 */
  readonly window?: number
}

/**
 * The counter of a code (0n in a suite without one), or `null`; every candidate is computed. Without a counter nothing here remembers the
 * code: the question must be asked once.
 * @throws as {@link ocra} | RangeError for a look-ahead or window out of its range
 */
export function ocraCounter(o: OcraTry): bigint | null {
  const { suite, code, after, now, lookAhead = 5, window = 1 } = o
  within('lookAhead', lookAhead, 0, 10)
  within('window', window, 0, 10)
  const mac = macOf(o)
  const parts = fixed(suite, o.input)
  const wanted = utf8(code)
  const counters = suite.counter ? range(after + 1n, lookAhead + 1) : [undefined]
  const steps =
    suite.stepSec === null ? [undefined] : range(totpStepAt(now, 1) / BigInt(suite.stepSec) - BigInt(window), 2 * window + 1)
  let found: bigint | null = null
  for (const counter of counters)
    for (const step of steps) if (equal(utf8(answer(o, mac, parts, counter, step)), wanted)) found = counter ?? 0n
  return found
}

function macOf({ suite, key, hash = sha1, ...rest }: OcraOptions): (message: Uint8Array) => Uint8Array {
  if (hash.name !== suite.hash) throw suiteError(`a suite of ${suite.hash} with ${hash.name}`)
  return prepared(hash, key, rest)
}

/** DataInput = OCRASuite ‖ 00 ‖ C ‖ Q ‖ P ‖ S ‖ T: what does not move, before C and between C and T. */
function fixed(
  suite: OcraSuite,
  { question, pinHash, session }: Omit<OcraInput, 'counter' | 'step'>,
): readonly [Uint8Array, Uint8Array] {
  const { pin, sessionBytes } = suite
  if ((pin === null) !== (pinHash === undefined) || (pinHash !== undefined && pinHash.length !== HASH_BYTES[pin!]))
    throw suiteError('PIN hash')
  if ((sessionBytes === null) !== (session === undefined) || (session?.length ?? 0) > (sessionBytes ?? 0))
    throw suiteError('session')
  const s = new Uint8Array(sessionBytes ?? 0)
  if (session !== undefined) s.set(session, s.length - session.length)
  return [concat(utf8(suite.text), new Uint8Array(1)), concat(questionBytes(suite, question), pinHash ?? new Uint8Array(0), s)]
}

/** 128 bytes, filled with zeros on the right; numbers and hexadecimal by nibbles, as the reference of RFC 6287, Appendix A does. */
function questionBytes({ question: { format, max } }: OcraSuite, question: string): Uint8Array {
  if (question.length > 2 * max || !QUESTIONS[format].test(question)) throw suiteError('question')
  const out = new Uint8Array(QUESTION_BYTES)
  const nibbles = format === 'N' ? BigInt(question).toString(16) : question
  out.set(format === 'A' ? utf8(question) : fromHex(nibbles.length % 2 === 0 ? nibbles : `${nibbles}0`)!)
  return out
}

function answer(
  { suite }: OcraOptions,
  mac: (message: Uint8Array) => Uint8Array,
  [head, middle]: readonly [Uint8Array, Uint8Array],
  counter: bigint | undefined,
  step: bigint | undefined,
): string {
  if (suite.counter !== (counter !== undefined)) throw suiteError('counter')
  if ((suite.stepSec !== null) !== (step !== undefined)) throw suiteError('time step')
  const none = new Uint8Array(0)
  const c = counter === undefined ? none : counterBytes(counter)
  const t = step === undefined ? none : counterBytes(step)
  const out = mac(concat(head, c, middle, t))
  return suite.digits === 0 ? hex(out) : String(truncated(out, suite.digits)).padStart(suite.digits, '0')
}

function range(first: bigint, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, i) => first + BigInt(i))
}

function suiteError(reason: string): PosternError<'otp.suite'> {
  return new PosternError('otp.suite', { reason })
}
