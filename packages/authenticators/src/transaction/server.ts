/**
 * txn/v1 on the server: a client asks, the user decides on his device, the client redeems. Reads come through the caller's function, writes
 * go back to him as one commit with its event; {@link runTransaction} does both for a host without the platform.
 */
import type { HmacKey } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import { ulid } from '@postern/core/ids'
import { type Commit, newRev, type Op, type Rec, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { EventDraft, Refusal, RunOptions, RunResult } from '../authenticator.js'
import { keyCache } from '../internal/deviceSignature.js'
import { refusing } from '../internal/refusal.js'
import { admit, type Created, create, idOf, wait } from '../internal/transactionCreate.js'
import { bindFor, type Decided, decide } from '../internal/transactionDecide.js'
import {
  type Asking,
  cancel,
  pending,
  type Redeemed,
  redeem,
  type Standing,
  standing,
  type View,
  view,
} from '../internal/transactionEnd.js'
import {
  again,
  type Place,
  type Plan,
  type Read,
  type TransactionAsk,
  type TransactionPorts,
  thumbprints,
} from '../internal/transactionPlan.js'
import type { Decider } from '../internal/transactionProof.js'
import { type Claimed, claim, readScan, type Scan, type Scanner } from '../internal/transactionScan.js'
import type { SecretSource } from '../pin/keys.js'
import { qrText } from './qr.js'

export type { Created } from '../internal/transactionCreate.js'
export type { Decided } from '../internal/transactionDecide.js'
export type { Asking, Redeemed, Standing, View } from '../internal/transactionEnd.js'
export type { Place, Plan, Read, TransactionAsk } from '../internal/transactionPlan.js'
export type { Decider } from '../internal/transactionProof.js'
export type { TransactionState } from '../internal/transactionRecord.js'
export type { Claimed, Scan, Scanner } from '../internal/transactionScan.js'

export interface TransactionOptions {
  /** The tenant's key ring: K_n and K_q are derived from it and stored nowhere. */
  readonly keys: SecretSource
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
  /** How long a transaction is kept after its end, in days; evidence goes with it. @defaultValue for ever */
  readonly keepDays?: number
}

/** What a plan is, or why there is none. */
export type Planned<T> = Promise<Plan<T> | Refusal>

export interface Transactions {
  /** A client asks a user. `transaction.invalid` `.pending` `.cooling_down` */
  create(place: Place, ask: TransactionAsk, read: Read): Planned<Created>
  /**
   * What the ceremony of a PIN, passkey, code or host's authenticator is bound to: pass it as `Ceremony.bind` with purpose `confirm`. `input`
   * is the answer that is going to follow. `transaction.invalid` `.unknown`
   */
  bind(d: Decider, input: unknown, read: Read): Promise<{ readonly ok: true; readonly bind: Uint8Array } | Refusal>
  /**
   * The user's answer, as `transaction/client` makes it. `key.refused` for every proof that is wrong; `device.removed`; `transaction.invalid`
   * `.unknown` `.expired` `.decided` `.mismatch` (with the tries that are left)
   */
  decide(d: Decider, input: unknown, read: Read): Planned<Decided>
  /** `transaction.unknown` `.pending` `.decided` · `device.removed` */
  redeem(o: Asking & { readonly user: { readonly rev: string } }, read: Read): Planned<Redeemed>
  /** `transaction.unknown` `.expired` `.decided` */
  cancel(asking: Asking, read: Read): Planned<View>
  /** `transaction.unknown` */
  view(asking: Asking, read: Read): Promise<({ readonly ok: true } & View) | Refusal>
  /** What a decision is going to be about, for whoever judges which authenticators may make it. `transaction.unknown` */
  standing(id: string, read: Read): Promise<({ readonly ok: true } & Standing) | Refusal>
  /** What waits for this user in this app, oldest first; at most 64. */
  pending(
    place: Place,
    app: string,
    o: { readonly read: Read; readonly list: (prefix: string, limit: number) => Promise<readonly Rec[]> },
  ): Promise<readonly { readonly id: string; readonly transaction: Uint8Array; readonly expiresAt: number }[]>
  /** A transaction whose user is not known yet; `place.part` is the picture's own, `dg:<base32 of 16 bytes>`. */
  wait(place: Place, ask: TransactionAsk): Planned<Created>
  /** The picture of this moment; for the session that began it alone. @throws PosternError `transaction.invalid` for another partition */
  picture(place: Place): Promise<string>
  /** Verifies a scan before anything is looked up; `id` names the partition. `transaction.qr_refused` */
  scan(s: Scanner, input: unknown): Promise<({ readonly ok: true } & Scan) | Refusal>
  /** Claims a picture, once; the token server's `put dg` joins this commit. `transaction.qr_refused` */
  claim(place: Place, s: Scanner, scan: Scan, read: Read): Planned<Claimed>
  /** What was claimed, in the partition of its user. `transaction.unknown` `.pending` `.expired` */
  admit(place: Place, claimed: { readonly transaction: Uint8Array; readonly replace?: boolean }, read: Read): Planned<Created>
}

/** The transactions of one tenant. @throws RangeError for `keepDays` below 1 */
export function createTransactions(o: TransactionOptions): Transactions {
  const { keepDays } = o
  if (keepDays !== undefined && !(Number.isInteger(keepDays) && keepDays >= 1))
    throw new RangeError('keepDays is a whole number from 1')
  const { clock, random, crypto } = o.runtime
  const derived = (label: string): (() => Promise<HmacKey>) => {
    let key: Promise<HmacKey> | undefined
    return () => (key ??= (async () => crypto.hmacKey('SHA-256', await o.keys.secret(label)))())
  }
  const ports: TransactionPorts = {
    clock,
    random,
    crypto,
    keys: keyCache(crypto),
    thumbprint: thumbprints(crypto),
    numberKey: derived('postern:txn/v1:number'),
    qrKey: derived('postern:txn/v1:qr'),
    keepMs: keepDays === undefined ? null : keepDays * 86_400_000,
  }
  return {
    create: (place, ask, read) => refusing(() => create(place, ask, read, ports)),
    bind: (d, input, read) => refusing(async () => ({ ok: true as const, bind: await bindFor(d, input, read, ports) })),
    decide: (d, input, read) => refusing(() => decide(d, input, read, ports)),
    redeem: (asking, read) => refusing(() => redeem(asking, read, ports)),
    cancel: (asking, read) => refusing(() => cancel(asking, read, ports)),
    view: (asking, read) => refusing(async () => ({ ok: true as const, ...(await view(asking, read, ports)) })),
    standing: (id, read) => refusing(async () => ({ ok: true as const, ...(await standing(id, read)) })),
    pending: (place, app, io) => pending(place, app, io, ports),
    wait: (place, ask) => refusing(() => wait(place, ask, ports)),
    picture: async (place) =>
      qrText(crypto, await ports.qrKey(), { issuer: place.issuer, tenant: place.tenant, id: idOf(place), now: clock() }),
    scan: (s, input) => refusing(async () => ({ ok: true as const, ...(await readScan(s, input, ports)) })),
    claim: (place, s, scan, read) => refusing(() => claim(place, s, scan, read, ports)),
    admit: (place, claimed, read) => refusing(() => admit(place, claimed, read, ports)),
  }
}

/** How often a plan is made anew because somebody wrote in between. */
const MOST_ROUNDS = 8

/**
 * Runs one step without the platform: reads, one commit of ops and event, then the reply; and again with records freshly read while somebody
 * else's write was in the way.
 *
 * @example
 * await runTransaction(place, (read) => transactions.decide(decider, answer, read), { runtime })
 * @throws PosternError `store.outcome_unknown` (a try counts as spent, nothing is answered) | `store.unavailable` | `store.overloaded`
 */
export async function runTransaction<T extends object>(
  place: Place,
  attempt: (read: Read) => Planned<T>,
  o: RunOptions,
): Promise<RunResult<T>> {
  const { clock, store } = o.runtime
  const read: Read = (keys) => store.read(place.part, keys, { now: clock() })
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const done = await once(place, await attempt(read), o)
    if (done.ok || done.next !== 'again') return done
  }
  throw new PosternError('store.overloaded', { reason: 'a transaction was overtaken too often' })
}

async function once<T extends object>(place: Place, planned: Plan<T> | Refusal, o: RunOptions): Promise<RunResult<T>> {
  let plan = planned
  // A second commit answers a repeated request; there is no third.
  for (let round = 0; plan.ok && round < 2; round++) {
    const now = o.runtime.clock()
    // What ends on the way between look and commit is no commit; the ladder says why.
    if (plan.ops.some((op) => 'expiresAt' in op && op.expiresAt !== undefined && op.expiresAt <= now))
      return again('ended on the way')
    const done = await commit(place, plan, o.ops ?? [], now, o)
    if (!done.ok) {
      plan = plan.lost(done.at, done.current)
      continue
    }
    const reply: T | Refusal = await plan.reply(done.recs)
    if (!('ok' in reply) || reply.ok !== false) return { ok: true, value: reply as T }
    plan = reply as Refusal
  }
  if (plan.ok) throw new PosternError('store.overloaded', { reason: 'a plan was lost twice' })
  if (plan.ops.length === 0 && plan.event === null) return plan
  const done = await commit(place, plan, [], o.runtime.clock(), o)
  return done.ok ? plan : plan.lost(done.at, done.current)
}

async function commit(
  { part, tenant }: Place,
  plan: { readonly ops: readonly Op[]; readonly event: EventDraft | null },
  own: readonly Op[],
  now: number,
  o: RunOptions,
): Promise<Commit> {
  const { random, store } = o.runtime
  const event =
    plan.event === null ? null : ({ ...o.about, ...plan.event, id: ulid(() => now, random), at: now, tenant } as PosternEvent)
  const ops = [...plan.ops, ...own, ...(event === null ? [] : [eventOp(event)])]
  if (ops.length === 0) return { ok: true, recs: [] }
  // A bare try has no condition to settle by: of unknown outcome it counts as spent.
  const done = await commitSettled(store, part, ops, { now, rev: newRev(random) })
  return done.ok ? { ok: true, recs: done.recs.slice(0, plan.ops.length) } : done
}
