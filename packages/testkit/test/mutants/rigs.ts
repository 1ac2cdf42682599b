/**
 * Rigs without a process or a wire: a server is an object that dies when it is told to, and keeps what it had written to its log. Each comes
 * sound, and with one mistake.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { PosternError } from '@postern/core/errors'
import { type Commit, type Guarantees, OutcomeUnknown, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import type { CrashRig, Cuttable, ExchangeRig, FailoverRig, PressureRig } from '@postern/testkit/conformance'

export { sleep }

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

type Logged = Parameters<Store['commit']>

interface Server {
  /** A client of this life of the server; the next life has others. */
  client(guarantees: Guarantees): Store
  kill(): void
  /** Starts again from its log, or from that of another that it takes over from. */
  start(from?: readonly Logged[]): Promise<void>
}

/** @param logged - what happens between the state and the answer: a sound server writes its log there */
function server(logged: (entry: Logged, log: Logged[]) => void = (entry, log) => void log.push(entry)): Server {
  let log: Logged[] = []
  let state = memoryStore()
  let life = 1
  return {
    client(guarantees) {
      const mine = life
      return {
        ...state,
        guarantees,
        async commit(part, ops, o) {
          if (life !== mine) throw new PosternError('store.unavailable')
          await turn()
          if (life !== mine) throw new OutcomeUnknown(o.rev)
          const answer = await state.commit(part, ops, o)
          if (answer.ok) logged([part, structuredClone(ops), o], log)
          await turn()
          if (life !== mine) throw new OutcomeUnknown(o.rev)
          return answer
        },
      }
    },
    kill() {
      life++
    },
    async start(from = log) {
      log = [...from]
      state = memoryStore()
      for (const entry of log) await state.commit(...entry)
    },
  }
}

/** More than are under way at once, so that some of those that are behind were answered. */
const BEHIND = 64

/** Answers first and writes what it answered so many commits ago. */
function lazily(): (entry: Logged, log: Logged[]) => void {
  const waiting: Logged[] = []
  return (entry, log) => {
    if (waiting.push(entry) > BEHIND) log.push(waiting.shift()!)
  }
}

export function crashRig(mistake?: 'acknowledges before it flushes' | 'forgets half'): CrashRig {
  const half = ([part, ops, o]: Logged, log: Logged[]): void => void log.push([part, ops.slice(0, 2), o])
  const one = mistake === undefined ? server() : server(mistake === 'forgets half' ? half : lazily())
  return {
    store: async () => one.client({ durable: 'process', failover: 'none' }),
    kill: async () => one.kill(),
    restart: () => one.start(),
    close: async () => {},
  }
}

export function failoverRig(o: { shipsLate: boolean; claims: Guarantees['failover']; mustLose?: boolean }): FailoverRig {
  const shipped: Logged[] = []
  const ship = o.shipsLate ? lazily() : (entry: Logged, to: Logged[]) => void to.push(entry)
  const primary = server((entry, log) => {
    log.push(entry)
    ship(entry, shipped)
  })
  const standby = server()
  const guarantees: Guarantees = { durable: 'power', failover: o.claims }
  return {
    store: primary.client(guarantees),
    ...(o.mustLose && { mustLose: true }),
    async fail() {
      primary.kill()
      await standby.start(shipped)
      return standby.client(guarantees)
    },
    close: async () => {},
  }
}

export function exchangeRig(mistake?: 'reports a lost answer as a failure' | 'applies half'): ExchangeRig {
  const [UP, DOWN] = [100, 40]
  const store = memoryStore()
  const passed = { up: 0, down: 0 }
  let left = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY }
  const cut = () => {
    left = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY }
  }
  return {
    link: {
      passed: () => ({ ...passed }),
      cut,
      cutAfter(direction, bytes) {
        left[direction] = bytes
      },
    },
    store: {
      ...store,
      async commit(part, ops, o) {
        const [arrives, answers] = [left.up >= UP, left.up > UP && left.down >= DOWN]
        const lost =
          mistake === 'reports a lost answer as a failure' ? new PosternError('store.unavailable') : new OutcomeUnknown(o.rev)
        cut()
        if (!arrives && mistake === 'applies half') await store.commit(part, ops.slice(0, 1), o)
        if (!arrives) throw lost
        const answer = await store.commit(part, ops, o)
        passed.up += UP
        if (!answers) throw lost
        passed.down += DOWN
        return answer
      },
    },
    close: async () => {},
  }
}

export function pressureRig(
  mistake?: 'lets any number wait' | 'acknowledges what waits' | 'applies what it refused',
): PressureRig {
  const HOLDS = 20
  const store = memoryStore()
  let gate = Promise.resolve()
  let open = () => {}
  let waiting = 0
  return {
    holds: HOLDS,
    async stall() {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    resume: async () => open(),
    store: {
      ...store,
      async commit(part, ops, o): Promise<Commit> {
        const later = (): Promise<Commit> => gate.then(() => store.commit(part, ops, o))
        if (waiting >= HOLDS && mistake !== 'lets any number wait') {
          if (mistake === 'applies what it refused') void later()
          throw new PosternError('store.overloaded')
        }
        waiting++
        const answer = later().finally(() => waiting--)
        return mistake === 'acknowledges what waits' ? { ok: true, recs: [null, null, null].map(() => NOTHING) } : answer
      },
    },
    close: async () => {},
  }
}

const NOTHING = { key: '', value: new Uint8Array(0), n: 0, rev: '', expiresAt: 0 }

/** A memory store whose next answer can be lost, told as it should be. */
export function cuttableMemory(): Cuttable {
  const store = memoryStore()
  let next: 'before' | 'after' | null = null
  return {
    cut(when) {
      next = when
    },
    store: {
      ...store,
      async commit(part, ops, o) {
        const when = next
        next = null
        if (when !== 'before') {
          const answer = await store.commit(part, ops, o)
          if (when === null) return answer
        }
        throw new OutcomeUnknown(o.rev)
      },
    },
  }
}
