/** Clients that commit until something breaks, what each was told, and whether what is there afterwards agrees with it. */
import { isPosternError } from '@postern/core/errors'
import type { Op, Part, Rec, Store } from '@postern/store'
import { settle } from '@postern/store/settle'
import { holds } from '../check.js'
import { bytes, type Kit, NOW } from './kit.js'

/** One commit, as its client knows it: `applied` with the counter it was shown, `refused` for good, or `unknown`. */
export interface Sent {
  readonly part: Part
  readonly marker: string
  readonly event: string
  readonly ops: readonly Op[]
  readonly rev: string
  told: 'applied' | 'refused' | 'unknown'
  n: number
  /** What it failed with. */
  why?: string
}

/** What the records say against what clients were told; each list names commits, and is empty when all is well. */
export interface Aftermath {
  /** Told as applied, and not there. */
  readonly lost: readonly string[]
  /** There in part. */
  readonly torn: readonly string[]
  /** Told as not applied, and there. */
  readonly risen: readonly string[]
  /** Unknown, and not applied exactly once after it was settled. */
  readonly unsettled: readonly string[]
  /** Counters below what a client was shown. */
  readonly lowered: readonly string[]
  /** Counters that stand at another number than that of the commits that count in them. */
  readonly miscounted: readonly string[]
}

const KINDS = ['lost', 'torn', 'risen', 'unsettled', 'lowered', 'miscounted'] as const
/** The aftermath in which all is well. */
export const CLEAN: Aftermath = Object.fromEntries(KINDS.map((kind) => [kind, []])) as unknown as Aftermath

const PARTS: readonly Part[] = Array.from({ length: 4 }, (_, i) => ({ tenant: 'bank', id: `u:${i}` }))
/** How long calls may hang after what they were waiting for has died. */
const PATIENCE_MS = 60_000
const VALUE = bytes('x'.repeat(300))

/** One commit of three ops that can be settled: a marker of single use, a bounded counter, an event. */
export async function send(kit: Kit, store: Store, log: Sent[], from = 0): Promise<Sent> {
  const id = String(log.length).padStart(8, '0')
  const [marker, event] = [`marker/${id}`, `e/${id}`]
  const ops: readonly Op[] = [
    { op: 'put', key: marker, value: VALUE, rev: null },
    { op: 'add', key: 'tries', by: 1, max: 1_000_000_000 },
    { op: 'put', key: event, value: VALUE.subarray(0, 100), rev: null },
  ]
  // Unknown until it is answered: whoever looks while it is under way must not take it for more.
  const sent: Sent = { part: PARTS[from % PARTS.length]!, marker, event, ops, rev: kit.rev(), told: 'unknown', n: 0 }
  log.push(sent)
  try {
    const answer = await store.commit(sent.part, ops, { now: NOW, rev: sent.rev })
    if (!answer.ok) throw new Error(`${marker} is fresh, and was refused at ${answer.at}`)
    sent.n = answer.recs[1]!.n
    sent.told = 'applied'
  } catch (error) {
    if (!isPosternError(error)) throw error
    sent.why = `${error.code} ${error.reason ?? ''} ${String(error.cause ?? '')}`
    if (error.code !== 'store.outcome_unknown') sent.told = 'refused'
  }
  return sent
}

/**
 * `clients` commit one after the other each; once `goal` commits were told as applied, `strike` happens while they go on. A client ends
 * with its first commit that fails, or when the strike is over.
 */
export async function writeUntil<T>(
  kit: Kit,
  store: Store,
  log: Sent[],
  { clients, goal, strike }: { clients: number; goal: number; strike: () => Promise<T> },
): Promise<T> {
  let applied = 0
  let struck: Promise<T> | undefined
  let over = false
  const begin = (): Promise<T> => {
    const striking = strike()
    const end = (): void => {
      over = true
    }
    striking.then(end, end)
    return striking
  }
  const client = async (i: number): Promise<void> => {
    while (!over) {
      const { told } = await send(kit, store, log, i)
      if (told !== 'applied') return
      if (++applied >= goal) struck ??= begin()
    }
  }
  const all = Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  await inTime(kit, all, 'a call was never answered')
  const why = log.find((one) => one.why !== undefined)?.why
  holds(struck !== undefined, `every client failed before ${goal} commits were applied, so the rig does not work: ${why}`)
  return struck!
}

/** Reads everything back, settles what is unknown, and says what does not agree. What was settled counts as applied from then on. */
export function aftermath(kit: Kit, store: Store, log: readonly Sent[]): Promise<Aftermath> {
  return inTime(kit, compare(kit, store, log), 'not everything could be read back and settled')
}

async function compare(kit: Kit, store: Store, log: readonly Sent[]): Promise<Aftermath> {
  const found = Object.fromEntries(KINDS.map((kind) => [kind, [] as string[]])) as Record<keyof Aftermath, string[]>
  for (const part of PARTS) {
    const sent = log.filter((one) => one.part === part)
    const shown = Math.max(0, ...sent.map(({ n }) => n))
    const before = await count(store, part)
    if (before < shown) found.lowered.push(`a counter stands at ${before}, a client was shown ${shown}`)
    for (const [one, state] of await states(store, part, sent)) {
      if (state === 'torn') found.torn.push(one.marker)
      if (state === 'absent' && one.told === 'applied') found.lost.push(one.marker)
      if (state === 'whole' && one.told === 'refused') found.risen.push(one.marker)
    }
    for (const one of sent)
      if (one.told === 'unknown') {
        const how = await settled(kit, store, one)
        if (how !== 'applied') found.unsettled.push(`${one.marker}: ${how}`)
        else one.told = 'applied'
      }
    // No sending of a settled commit can take effect any more, so the counter must be exact.
    const whole = [...(await states(store, part, sent))].filter(([, state]) => state === 'whole').length
    const after = await count(store, part)
    if (after !== whole) found.miscounted.push(`a counter stands at ${after} over ${whole} commits that count in it`)
  }
  return found
}

/** @throws Error when it takes longer than calls may hang */
export async function inTime<T>(kit: Kit, work: Promise<T>, what: string): Promise<T> {
  let done = false
  const late = (async () => {
    for (let waited = 0; waited < PATIENCE_MS && !done; waited += 250) await kit.sleep(250)
    if (!done) throw new Error(`${what} within ${PATIENCE_MS / 1000} s`)
    return work
  })()
  try {
    return await Promise.race([work, late])
  } finally {
    done = true
    late.catch(() => {})
  }
}

async function settled(kit: Kit, store: Store, { part, ops, rev, marker }: Sent): Promise<string> {
  try {
    const answer = await settle(store, part, ops, { now: NOW, rev, attempts: 50, pause: (n) => kit.sleep(Math.min(10 * n, 200)) })
    if (!answer.ok) return `refused at ${answer.at}`
    const [rec] = await store.read(part, [marker], { now: NOW })
    return rec?.rev === rev ? 'applied' : 'told as applied, and not there'
  } catch (error) {
    return String(error)
  }
}

async function count(store: Store, part: Part): Promise<number> {
  const [tries] = await store.read(part, ['tries'], { now: NOW })
  return tries?.n ?? 0
}

/** A marker and its event are read at once: they are of one commit. */
async function states(store: Store, part: Part, sent: readonly Sent[]): Promise<ReadonlyMap<Sent, 'whole' | 'absent' | 'torn'>> {
  const found = new Map<Sent, 'whole' | 'absent' | 'torn'>()
  for (let i = 0; i < sent.length; i += 32) {
    const some = sent.slice(i, i + 32)
    const recs = await store.read(
      part,
      some.flatMap(({ marker, event }) => [marker, event]),
      { now: NOW },
    )
    for (const [k, one] of some.entries()) found.set(one, stateOf(recs.slice(2 * k, 2 * k + 2), one.rev))
  }
  return found
}

function stateOf(recs: readonly (Rec | null)[], rev: string): 'whole' | 'absent' | 'torn' {
  if (recs.every((rec) => rec === null)) return 'absent'
  return recs.every((rec) => rec?.rev === rev) ? 'whole' : 'torn'
}
