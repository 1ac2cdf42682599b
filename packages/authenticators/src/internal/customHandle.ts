/** What survives between two answers of a custom authenticator, and between its yes and the commit. */
import { u8, u16 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { Ceremony, Reply } from '../authenticator.js'
import { type Challenge, encodeChallenge, newChallenge, readChallenge, sealHandle } from './challenge.js'
import type { CustomPorts } from './customPorts.js'
import type { ReadResult } from './customResult.js'
import type { ByteReader } from './reader.js'
import { openFresh } from './tries.js'

/** Where a ceremony stands. */
export interface At extends Challenge {
  /** How often the host has said `continue`. */
  readonly continued: number
  readonly state: Uint8Array | null
}

/** What a yes will commit. */
export interface Done {
  /** R₁, empty where no try was taken. */
  readonly rev: string
  readonly attempts: number
  /** The new value of `cus/E`. */
  readonly value: Uint8Array
  readonly amr: readonly string[]
}

/** Up to 4 KiB of state, and up to 16 KiB of sealed data at the end. */
const MAX_CHARS = 32_768

/** Asks for the next answer, in a handle of its own. */
export async function askReply(
  c: Ceremony,
  ports: CustomPorts,
  at: Pick<At, 'enrolment' | 'continued' | 'state'>,
  says: { readonly outcome: 'continue' | 'retry'; readonly reply: ReadResult['reply']; readonly attemptsLeft?: number },
): Promise<Reply> {
  const { enrolment, continued, state } = at
  const { outcome, reply, ...left } = says
  const challenge = newChallenge(c, ports.runtime, enrolment)
  const bytes = encodeChallenge(challenge, u8(continued), u8(state === null ? 0 : 1), lp(state ?? ''))
  const handle = await sealHandle(ports.seal, c, ports.handles, c.purpose, bytes)
  return { handle, expiresAt: challenge.expiresAt, enrolment, body: { ask: 'answer', outcome, reply }, ...left }
}

/** A yes on its way to its commit. */
export async function doneReply(
  c: Ceremony,
  ports: CustomPorts,
  enrolment: string,
  done: Done,
  says: { readonly reply: ReadResult['reply']; readonly attemptsLeft?: number },
): Promise<Reply> {
  const { reply, ...left } = says
  const challenge = newChallenge(c, ports.runtime, enrolment)
  const bytes = encodeChallenge(challenge, lp(done.rev), u16(done.attempts), lp(JSON.stringify(done.amr)), lp(done.value))
  const handle = await sealHandle(ports.seal, c, `${ports.handles}.done`, c.purpose, bytes)
  return { handle, expiresAt: challenge.expiresAt, enrolment, body: { ask: 'finish', outcome: 'done', reply }, ...left }
}

/** @throws PosternError `custom.failed` */
export function openAt(c: Ceremony, ports: CustomPorts): Promise<At> {
  return open(c, ports, ports.handles, (r) => {
    const challenge = readChallenge(r)
    const continued = r.unsigned(1)
    const given = r.unsigned(1) === 1
    const state = r.lp()
    return { ...challenge, continued, state: given ? state : null }
  })
}

/** @throws PosternError `custom.failed` */
export function openDone(c: Ceremony, ports: CustomPorts): Promise<Challenge & Done> {
  return open(c, ports, `${ports.handles}.done`, (r) => ({
    ...readChallenge(r),
    rev: r.text(),
    attempts: r.unsigned(2),
    amr: JSON.parse(r.text()) as readonly string[],
    value: r.lp(),
  }))
}

function open<T extends Challenge>(c: Ceremony, ports: CustomPorts, type: string, read: (r: ByteReader) => T): Promise<T> {
  const { seal, runtime } = ports
  const wanted = {
    seal,
    clock: runtime.clock,
    type,
    refused: 'custom.failed',
    expired: 'custom.failed',
    maxChars: MAX_CHARS,
  } as const
  return openFresh(c, wanted, read)
}
