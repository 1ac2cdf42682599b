import { newRev } from '@postern/store'
import { shipOutbox } from '@postern/store/outbox'
import { type CallbackKind, callback, send, sweepCallbacks } from '@postern/tokens/internal/callbacks'
import { isCallbackUrl } from '@postern/tokens/internal/callbackUrl'
import type { IssuerContext } from '@postern/tokens/issuer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { type World, world } from '../world.js'

const PART = { tenant: 't1', id: 'usr:someone' }

interface Note {
  readonly text: string
}

/** What an endpoint does: commit the record with its change, then try at once where the host allows. */
async function commitNote(kind: CallbackKind<Note>, context: IssuerContext, lifeMs = 300_000): Promise<string> {
  const { runtime } = context
  const pending = callback(kind, { text: 'hello' }, runtime.clock() + lifeMs, context)
  const rev = newRev(runtime.random)
  expect((await runtime.store.commit(PART, [pending.op], { now: runtime.clock(), rev })).ok).toBe(true)
  send(kind, PART, pending, rev, context)
  return pending.key
}

describe('a callback', () => {
  let to: Receiver
  let w: World
  let kind: CallbackKind<Note>
  let patienceMs = 5000
  beforeEach(async () => {
    patienceMs = 5000
    to = await receiver()
    w = await world({
      context: (context) => ({ runtime: { ...context.runtime, fetch }, deadline: () => AbortSignal.timeout(patienceMs) }),
    })
    kind = {
      name: 'note',
      compose: async ({ text }) => ({ url: to.url, headers: { 'content-type': 'text/plain' }, body: text }),
      about: () => ({ subject: 'user-1' }),
    }
  })
  afterEach(() => to.close())
  const context = (node = 0): IssuerContext => w.contexts[node]!
  const left = async (): Promise<number> => (await w.inner.outbox!({ now: w.now(), after: 'e/~', limit: 100 })).length
  const told = (): string[] =>
    w.events.filter(({ type }) => type.startsWith('callback.')).map((e) => `${e.type} ${e.reason ?? ''} ${e.detail!.tries}`)
  const shipped = async (): Promise<string[]> => {
    await shipOutbox(w.inner, context().runtime.events, { now: w.now() })
    return told()
  }

  it('is sent right after its commit where the host waits, and is gone then', async () => {
    const waiting: Promise<unknown>[] = []
    await commitNote(kind, { ...context(), host: { waitUntil: (work) => void waiting.push(work) } })
    await Promise.all(waiting)
    expect(to.received).toMatchObject([{ path: '/cb', body: 'hello' }])
    expect(await left()).toBe(0)
    await Promise.all(waiting)
    expect(told()).toEqual(['callback.delivered  1'])
    expect(await sweepCallbacks(kind, context())).toBe(0)
  })

  it('survives a crash between commit and sending: a sweep sends it, once, however many nodes sweep', async () => {
    await commitNote(kind, context())
    expect(to.received).toEqual([])
    const done = await Promise.all(Array.from({ length: 10 }, (_, i) => sweepCallbacks(kind, context(i % 2))))
    expect(done.reduce((sum, n) => sum + n)).toBe(1)
    expect(to.received).toHaveLength(1)
    expect(await left()).toBe(0)
  })

  it.each([500, 404, 'redirect', 'stall', 'hang up'] as const)(
    'is tried five times with growing pauses when the receiver answers %s, and then told as failed',
    async (how) => {
      to.behave(how)
      if (how === 'stall') patienceMs = 100
      await commitNote(kind, context())
      for (const pauseMs of [10_000, 20_000, 40_000, 80_000]) {
        expect(await sweepCallbacks(kind, context())).toBe(0)
        w.advance(pauseMs - 1)
        const before = to.received.length
        expect(await sweepCallbacks(kind, context())).toBe(0)
        expect(to.received).toHaveLength(before)
        w.advance(1)
      }
      await sweepCallbacks(kind, context())
      expect(to.received.map(({ path }) => path)).toEqual(Array(5).fill('/cb'))
      expect(await left()).toBe(0)
      const reason = { 500: 'status 500', 404: 'status 404', redirect: 'status 307', stall: 'timeout', 'hang up': 'network' }[how]
      expect(await shipped()).toEqual([`callback.failed ${reason} 5`])
    },
  )

  it('reaches a receiver that comes back', async () => {
    to.behave(503)
    await commitNote(kind, context())
    await sweepCallbacks(kind, context())
    to.behave(200)
    w.advance(10_000)
    expect(await sweepCallbacks(kind, context())).toBe(1)
    expect(await shipped()).toEqual(['callback.delivered  2'])
  })

  it('is not sent when its use has passed, and that is told', async () => {
    await commitNote(kind, context(), 1000)
    w.advance(1000)
    expect(await sweepCallbacks(kind, context())).toBe(0)
    expect(to.received).toEqual([])
    expect(await shipped()).toEqual(['callback.failed expired 0'])
  })

  it('a try that a crash cut short is counted and leaves a lease: nobody sends again before it is over', async () => {
    let crash: (() => void) | undefined
    const stuck: CallbackKind<Note> = {
      ...kind,
      compose: () => new Promise((_, fail) => (crash = () => fail(new Error('killed')))),
    }
    await commitNote(kind, context())
    const dying = sweepCallbacks(stuck, context(0))
    while (crash === undefined) await new Promise((done) => setTimeout(done, 1))
    expect(await sweepCallbacks(kind, context(1))).toBe(0)
    w.advance(10_000)
    expect(await sweepCallbacks(kind, context(1))).toBe(1)
    crash()
    await dying
    expect(to.received).toHaveLength(1)
    expect(await shipped()).toEqual(['callback.delivered  2'])
  })

  it('is dropped without a word when there is nothing to tell any more', async () => {
    await commitNote({ ...kind, compose: async () => null }, context())
    expect(await sweepCallbacks({ ...kind, compose: async () => null }, context())).toBe(0)
    expect(await left()).toBe(0)
    expect(await shipped()).toEqual([])
  })

  it('stays where a host port throws, and does not stop the others', async () => {
    const fails: CallbackKind<Note> = {
      ...kind,
      compose: async (data, part, c) =>
        to.received.length === 0 ? Promise.reject(new Error('down')) : kind.compose(data, part, c),
    }
    await commitNote(kind, context())
    await sweepCallbacks(fails, context())
    await commitNote(kind, context())
    expect(await sweepCallbacks(kind, context())).toBe(1)
    expect(await left()).toBe(1)
    w.advance(10_000)
    expect(await sweepCallbacks(kind, context())).toBe(1)
  })

  it('another issuer, another tenant and another kind leave it alone, and so does the shipping of events', async () => {
    await commitNote(kind, context())
    expect(await sweepCallbacks(kind, { ...context(), issuer: 'https://id.example.com/t2' })).toBe(0)
    expect(await sweepCallbacks(kind, { ...context(), tenant: 't2' })).toBe(0)
    expect(await sweepCallbacks({ ...kind, name: 'notes' }, context())).toBe(0)
    expect(await sweepCallbacks({ ...kind, name: 'not' }, context())).toBe(0)
    expect(await shipped()).toEqual([])
    expect(await sweepCallbacks(kind, context())).toBe(1)
  })

  it('a record that a newer program wrote is left to it', async () => {
    const key = await commitNote(kind, context())
    const [rec] = await w.inner.read(PART, [key], { now: w.now() })
    const value = new TextEncoder().encode(new TextDecoder().decode(rec!.value).replace('"v":1', '"v":2'))
    await w.inner.commit(PART, [{ op: 'put', key, value }], { now: w.now(), rev: newRev(context().runtime.random) })
    expect(await sweepCallbacks(kind, context())).toBe(0)
    expect(await left()).toBe(1)
  })

  it('more than a page of them are delivered by one sweep', async () => {
    for (let i = 0; i < 600; i++) await commitNote(kind, context())
    expect(await sweepCallbacks(kind, context())).toBe(600)
    expect(to.received).toHaveLength(600)
  })

  it('a URL that may not be called is never called', async () => {
    const bad: CallbackKind<Note> = { ...kind, compose: async () => ({ url: 'http://internal.example/', headers: {}, body: '' }) }
    const called: unknown[] = []
    const spying = {
      ...context(),
      runtime: {
        ...context().runtime,
        fetch: async (url: unknown) => {
          called.push(url)
          return new Response()
        },
      },
    }
    await commitNote(bad, spying)
    expect(await sweepCallbacks(bad, spying)).toBe(0)
    expect(called).toEqual([])
  })

  it('needs a store that can list its outbox', async () => {
    const { outbox: _, ...without } = context().runtime.store
    const blind = { ...context(), runtime: { ...context().runtime, store: without } }
    await expect(sweepCallbacks(kind, blind)).rejects.toMatchObject({ code: 'store.list_disabled' })
  })
})

it.each([
  ['https://client.example/cb', true],
  ['https://client.example:8443/cb?x=1', true],
  ['http://127.0.0.1:1/cb', true],
  ['http://localhost/cb', true],
  ['http://client.example/cb', false],
  ['https://user:pw@client.example/cb', false],
  ['https://client.example/cb#f', false],
  ['https://client.example/cb#', false],
  ['ftp://client.example/cb', false],
  ['javascript:alert(1)', false],
  ['data:text/plain,x', false],
  ['/cb', false],
])('%s may be called back: %s', (url, may) => expect(isCallbackUrl(url)).toBe(may))

it('a URL of more than 2,048 characters may not be called back', () => {
  const url = 'https://client.example/'.padEnd(2048, 'a')
  expect([isCallbackUrl(url), isCallbackUrl(`${url}a`)]).toEqual([true, false])
})
