/** A host's function, called: with copies, under its deadline, and its result read. */
import { PosternError } from '@postern/core/errors'
import type { Rec } from '@postern/store'
import type { Ceremony } from '../authenticator.js'
import type { CustomInput } from '../custom.js'
import { type CustomPorts, type HostFunction, openData } from './customPorts.js'
import { type ReadResult, readResult } from './customResult.js'
import { type Ended, underDeadline } from './deadline.js'
import { refuse } from './refusal.js'

/** What differs from call to call. */
export type Asked = Pick<CustomInput, 'answer' | 'state' | 'data'>

/** How the call ended; the value is `null` for a result outside the union. */
export async function call(c: Ceremony, ports: CustomPorts, host: HostFunction, asked: Asked): Promise<Ended<ReadResult | null>> {
  const input = inputOf(c, asked)
  const said = await underDeadline<unknown>((signal) => host({ ...input, signal }), ports.deadlineMs, ports.timer)
  return said.ok ? { ok: true, value: readResult(said.value, ports.amr) } : said
}

/**
 * Told after the removal, under the same deadline.
 * @throws PosternError `custom.failed` | `custom.timeout`
 */
export async function removeCustom(c: Ceremony, kept: Rec | null, ports: CustomPorts): Promise<void> {
  const { remove, deadlineMs, timer } = ports
  if (remove === null || c.enrolment === null) return
  const data = kept === null ? null : await openData(c, ports, c.enrolment.id, kept.value)
  const input = inputOf(c, { answer: null, state: null, data })
  const done = await underDeadline((signal) => remove({ ...input, signal }), deadlineMs, timer)
  if (!done.ok) throw new PosternError(done.why === 'late' ? 'custom.timeout' : 'custom.failed', { reason: done.message })
}

/** Whose enrolment it is, or is to be. @throws PosternError `enrolment.expired` */
export function claimed(c: Ceremony, { runtime }: Pick<CustomPorts, 'runtime'>): NonNullable<Ceremony['claim']> {
  if (c.claim === undefined || c.claim.until <= runtime.clock()) throw refuse('enrolment.expired', 'claim')
  return c.claim
}

function inputOf(c: Ceremony, asked: Asked): Omit<CustomInput, 'signal'> {
  const device = { id: c.device?.id ?? null, keyLevel: c.device?.keyLevel ?? null, app: c.app }
  const subjectRef = (c.purpose === 'enrol' ? c.claim?.owner : c.enrolment?.value?.owner) ?? ''
  return { purpose: c.purpose, subjectRef, device, ...asked, bind: c.bind?.slice() ?? null }
}
