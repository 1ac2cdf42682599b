/// <reference types="node" />
import { decodeTransaction, encodeTransaction, type Transaction } from '@postern/authenticators/transaction/encoding'
import { encodeStatement, type Statement } from '@postern/authenticators/transaction/evidence'
import type { Created } from '@postern/authenticators/transaction/server'
import { hex } from '@postern/core/bytes'
import { readCbor, writeCbor } from '@postern/core/cbor'
import { isPosternError } from '@postern/core/errors'
import { decodeEvent } from '@postern/core/events'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDisplayText } from '../../src/internal/displayText.js'
import { decodeRecord, readStored, type TransactionState } from '../../src/internal/transactionRecord.js'
import { type Bank, createBank } from '../transactionWorld.js'
import type { Device } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const minute = 60_000
const day = 86_400_000

const text = (maxBytes: number) =>
  fc
    .string({ minLength: 1, maxLength: Math.min(maxBytes, 40), unit: 'grapheme' })
    .map((s) => s.normalize('NFC'))
    .filter((s) => isDisplayText(s, maxBytes))
const raw = (n: number) => fc.uint8Array({ minLength: n, maxLength: n })
const transactions: fc.Arbitrary<Transaction> = fc
  .record(
    {
      issuer: text(256),
      tenant: text(63),
      client: text(128),
      app: text(128),
      id: raw(16),
      kind: fc.stringMatching(/^[a-z0-9.-]{1,64}$/),
      display: fc.array(fc.record({ label: text(64), value: text(512) }), { minLength: 1, maxLength: 16 }),
      amount: fc.record({
        value: fc.stringMatching(/^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$/),
        currency: fc.stringMatching(/^[A-Z]{3}$/),
      }),
      payee: text(128),
      created: fc.nat({ max: 2 ** 40 }),
      life: fc.integer({ min: 1, max: 3600 }),
      nonce: raw(32),
      match: fc.constantFrom(0 as const, 1 as const),
      origin: text(128),
      data: raw(32),
    },
    { requiredKeys: ['issuer', 'tenant', 'client', 'app', 'id', 'kind', 'display', 'created', 'life', 'nonce', 'match'] },
  )
  .map(({ life, ...t }) => ({ ...t, expires: t.created + life }) as Transaction)

describe('the codec', () => {
  it('decode∘encode is the identity, and encode∘decode of whatever it accepts', () =>
    fc.assert(
      fc.property(transactions, fc.nat(), fc.nat({ max: 255 }), (t, at, byte) => {
        const bytes = encodeTransaction(t)
        expect(decodeTransaction(bytes)).toEqual(t)
        const { issuer, client, app, id, created, expires, match } = t
        expect(readStored(bytes)).toEqual({ issuer, client, app, id, created, expiresAt: expires * 1000, match })
        const changed = bytes.slice()
        changed[at % bytes.length] = byte
        const accepted = attempt(changed)
        if (accepted !== null) expect(hex(encodeTransaction(accepted))).toBe(hex(changed))
      }),
      { numRuns: numRuns * 5 },
    ))

  it('is injective: another transaction, other bytes', () =>
    fc.assert(
      fc.property(transactions, transactions, (a, b) => {
        const same = hex(encodeTransaction(a)) === hex(encodeTransaction(b))
        expect(same).toBe(
          JSON.stringify(decodeTransaction(encodeTransaction(a))) === JSON.stringify(decodeTransaction(encodeTransaction(b))),
        )
      }),
      { numRuns },
    ))

  it('A18 takes no bytes that are not its own, whatever map they hold', () =>
    fc.assert(
      fc.property(
        transactions,
        fc.nat({ max: 20 }),
        fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.uint8Array()),
        (t, key, value) => {
          const map = new Map(readCbor(encodeTransaction(t)) as ReadonlyMap<number, never>)
          map.set(key, value as never)
          const bytes = writeCbor(map)
          const accepted = attempt(bytes)
          if (accepted !== null) expect(hex(encodeTransaction(accepted))).toBe(hex(bytes))
          if (key > 15) expect(accepted).toBeNull()
        },
      ),
      { numRuns: numRuns * 3 },
    ))

  it('random bytes are refused in bounded time', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(attempt(bytes)).toBeNull()
      }),
      { numRuns: numRuns * 3 },
    ))

  it('A08 statements are injective: no two decisions share bytes', () => {
    const words = fc.constantFrom('', 'a', 'ab', 'b', 'device', 'approve')
    const statements: fc.Arbitrary<Statement> = fc.record({
      hash: raw(32),
      device: words,
      enrolment: words,
      type: words,
      decision: fc.constantFrom('approve', 'deny', 'report'),
      number: fc.constantFrom('', '07', '70'),
    })
    fc.assert(
      fc.property(statements, statements, (a, b) => {
        const [x, y] = [a, { ...b, hash: a.hash }]
        const same = JSON.stringify(Object.entries(x)) === JSON.stringify(Object.entries(y))
        expect(hex(encodeStatement(x)) === hex(encodeStatement(y))).toBe(same)
      }),
      { numRuns: numRuns * 3 },
    )
  })
})

function attempt(bytes: Uint8Array): Transaction | null {
  try {
    return decodeTransaction(bytes)
  } catch (error) {
    if (isPosternError(error, 'transaction.invalid')) return null
    throw error
  }
}

interface Known {
  readonly created: Created
  readonly client: string
  state: TransactionState
  tries: number
}

/** What the records must say, kept in plain variables. */
interface Model {
  readonly all: Known[]
  asks: { n: number; end: number }
  refusals: number[]
  until: number
  active: Set<string>
}

interface Real {
  readonly b: Bank
  readonly devices: readonly Device[]
}

type Command = fc.AsyncCommand<Model, Real>

const told = (done: { ok: boolean; code?: string }) => (done.ok ? 'ok' : done.code)
const waiting = (m: Model, client: string, now: number) =>
  m.all.find((k) => k.client === client && k.state === 'pending' && k.created.expiresAt > now)

function refuse(m: Model, now: number, report: boolean): void {
  m.refusals = [...m.refusals.filter((at) => at > now - day), now].slice(-4)
  m.until = Math.max(m.until, now + (report ? day : [30_000, 5 * minute, 30 * minute, day][m.refusals.length - 1]!))
}

class Ask implements Command {
  readonly client: string
  readonly match: 0 | 1
  readonly replace: boolean
  constructor(client: string, match: 0 | 1, replace: boolean) {
    this.client = client
    this.match = match
    this.replace = replace
  }
  check = () => true
  async run(m: Model, { b }: Real) {
    const now = b.w.clock()
    const standing = waiting(m, this.client, now)
    if (m.asks.end <= now) m.asks = { n: 0, end: 0 }
    const expected =
      m.until > now
        ? 'transaction.cooling_down'
        : standing && !this.replace
          ? 'transaction.pending'
          : m.asks.n >= 10
            ? 'transaction.cooling_down'
            : 'ok'
    const done = await b.ask({ client: this.client, match: this.match, replace: this.replace })
    expect(told(done)).toBe(expected)
    if (!done.ok) return
    if (standing) standing.state = 'cancelled'
    m.asks = { n: m.asks.n + 1, end: m.asks.n === 0 ? now + 60 * minute : m.asks.end }
    m.all.push({ created: done.value, client: this.client, state: 'pending', tries: 0 })
  }
  toString = () => `ask(${this.client}, match ${this.match}${this.replace ? ', replace' : ''})`
}

class Decide implements Command {
  readonly which: number
  readonly device: number
  readonly decision: 'approve' | 'deny' | 'report'
  readonly right: boolean
  constructor(which: number, device: number, decision: 'approve' | 'deny' | 'report', right: boolean) {
    this.which = which
    this.device = device
    this.decision = decision
    this.right = right
  }
  check = (m: Readonly<Model>) => m.all.length > 0
  async run(m: Model, { b, devices }: Real) {
    const known = m.all[this.which % m.all.length]!
    const d = devices[this.device]!
    const now = b.w.clock()
    const asks = known.created.number !== null && this.decision === 'approve'
    const right = known.created.number!
    const number = !asks ? '' : this.right ? right : String((Number(right) + 1) % 100).padStart(2, '0')
    const input = await b.answer(d, known.created, { decision: this.decision, number })
    const live = m.active.has(d.id)
    const expected = !live
      ? 'device.removed'
      : known.state !== 'pending'
        ? 'transaction.decided'
        : known.created.expiresAt <= now
          ? 'transaction.expired'
          : asks && !this.right
            ? 'transaction.mismatch'
            : 'ok'
    expect(told(await b.decide(d, input))).toBe(expected)
    if (expected === 'transaction.mismatch' && ++known.tries === 3) {
      known.state = 'denied'
      refuse(m, now, false)
    }
    if (expected !== 'ok') return
    known.state = ({ approve: 'approved', deny: 'denied', report: 'reported' } as const)[this.decision]
    if (this.decision === 'approve') m.asks = { n: 0, end: 0 }
    else refuse(m, now, this.decision === 'report')
  }
  toString = () => `decide(${this.which}, d${this.device}, ${this.decision}${this.right ? '' : ', wrong'})`
}

class End implements Command {
  readonly which: number
  readonly how: 'cancel' | 'redeem'
  constructor(which: number, how: 'cancel' | 'redeem') {
    this.which = which
    this.how = how
  }
  check = (m: Readonly<Model>) => m.all.length > 0
  async run(m: Model, { b }: Real) {
    const known = m.all[this.which % m.all.length]!
    const asking = { id: known.created.id, client: known.client }
    if (this.how === 'cancel') {
      const late = known.created.expiresAt <= b.w.clock()
      const expected = known.state !== 'pending' ? 'transaction.decided' : late ? 'transaction.expired' : 'ok'
      expect(told(await b.run((r) => b.t.cancel(asking, r)))).toBe(expected)
      if (expected === 'ok') known.state = 'cancelled'
      return
    }
    const [u] = await b.read('u')
    const done = await b.run((r) => b.t.redeem({ ...asking, user: { rev: u!.rev } }, r))
    const record = decodeRecord((await b.read(`tx/${known.created.id}`))[0]!.value)
    if (known.state === 'approved' && done.ok) {
      expect(m.active.has(done.value.device)).toBe(true)
      known.state = 'redeemed'
    } else
      expect(told(done)).toBe(
        known.state === 'pending' ? 'transaction.pending' : known.state === 'approved' ? 'device.removed' : 'transaction.decided',
      )
    expect(record.state).toBe(known.state)
  }
  toString = () => `${this.how}(${this.which})`
}

class Switch implements Command {
  readonly device: number
  constructor(device: number) {
    this.device = device
  }
  check = () => true
  async run(m: Model, { b, devices }: Real) {
    const d = devices[this.device]!
    if (m.active.delete(d.id)) return b.release(d)
    m.active.add(d.id)
    await b.activate(d)
  }
  toString = () => `switch(d${this.device})`
}

class Wait implements Command {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
  check = () => true
  async run(_: Model, { b }: Real) {
    b.w.time.now += this.ms
  }
  toString = () => `wait(${this.ms})`
}

const clients = fc.constantFrom('a', 'b')
const commands = [
  fc.tuple(clients, fc.constantFrom(0 as const, 1 as const), fc.boolean()).map((of) => new Ask(...of)),
  fc.tuple(clients, fc.constantFrom(0 as const, 1 as const), fc.boolean()).map((of) => new Ask(...of)),
  fc
    .tuple(
      fc.nat({ max: 9 }),
      fc.nat({ max: 1 }),
      fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const, 'report' as const),
      fc.boolean(),
    )
    .map((of) => new Decide(...of)),
  fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 1 }), fc.constant('approve' as const), fc.boolean()).map((of) => new Decide(...of)),
  fc.tuple(fc.nat({ max: 9 }), fc.constantFrom('cancel' as const, 'redeem' as const)).map((of) => new End(...of)),
  fc.nat({ max: 1 }).map((device) => new Switch(device)),
  fc.constantFrom(1, 30_000, 5 * minute, 31 * minute, day).map((ms) => new Wait(ms)),
]

describe('the states', () => {
  it('I4 A15 A16 a model of states, tries, holds and prompts agrees, step for step', () =>
    fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), async (all) => {
        const b = await createBank()
        const devices = [b.d, await b.w.device('d2')]
        const setup = () => ({
          model: { all: [], asks: { n: 0, end: 0 }, refusals: [], until: 0, active: new Set(['d1']) } as Model,
          real: { b, devices },
        })
        await fc.asyncModelRun(setup, all)
      }),
      { numRuns: numRuns * 2 },
    ))

  it('I4 I8 over a network that lies: one terminal state, told only when it is durable, never four numbers looked at', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(fc.tuple(fc.constantFrom('approve' as const, 'deny' as const), fc.boolean()), { minLength: 2, maxLength: 8 }),
        async (seed, tries) => {
          const inner = memoryStore()
          const b = await createBank({ store: inner })
          const store = faultyStore(inner, { seed })
          const created = await b.asked({ match: 1 })
          const wrong = String((Number(created.number) + 1) % 100).padStart(2, '0')
          const won: string[] = []
          let missed = 0
          for (const [decision, right] of tries) {
            const input = await b.answer(b.d, created, {
              decision,
              number: decision === 'deny' ? '' : right ? created.number! : wrong,
            })
            const done = await b.decide(b.d, input, {}, store).catch((error: unknown) => {
              if (!isPosternError(error)) throw error
              return null
            })
            if (done?.ok) won.push(done.value.state)
            if (done?.ok === false && done.code === 'transaction.mismatch') missed++
          }
          await store.drain()
          const { state } = decodeRecord((await b.read(`tx/${created.id}`))[0]!.value)
          const [count] = await b.read(`num/${created.id}`)
          const events = (await inner.outbox!({ now: b.w.clock(), limit: 1000 })).map((rec) => decodeEvent(rec.value)!)
          const decided = events.filter(({ type }) => type === 'transaction.decided')
          expect(won.length).toBeLessThanOrEqual(1)
          if (won.length === 1) expect(state).toBe(won[0])
          expect(decided.length).toBe(state === 'pending' ? 0 : 1)
          expect(missed).toBeLessThanOrEqual(count?.n ?? 0)
          expect(count?.n ?? 0).toBeLessThanOrEqual(3)
        },
      ),
      { numRuns },
    ))

  it('I4 A21 whatever the interleaving of decisions and a removal: one terminal state', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom('approve' as const, 'deny' as const, 'report' as const), { minLength: 2, maxLength: 6 }),
        async (s, decisions) => {
          const b = await createBank()
          const created = await b.asked()
          const inputs = await Promise.all(decisions.map((decision) => b.answer(b.d, created, { decision })))
          const who = await b.decider(b.d)
          const tries = inputs.map((input) =>
            b.run(async (read) => {
              await s.schedule(Promise.resolve())
              const plan = await b.t.decide(who, input, read)
              await s.schedule(Promise.resolve())
              return plan
            }),
          )
          const removal = s.schedule(Promise.resolve()).then(() => b.release(b.d))
          const [all] = await s.waitFor(Promise.all([Promise.all(tries), removal]))
          const { state } = decodeRecord((await b.read(`tx/${created.id}`))[0]!.value)
          const won = all.flatMap((done) => (done.ok ? [done.value.state] : []))
          expect(won).toEqual(state === 'pending' ? [] : [state])
        },
      ),
      { numRuns },
    ))
})
