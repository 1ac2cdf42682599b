/// <reference types="node" />
import { runFinish } from '@postern/authenticators/authenticator'
import { type CustomAuthenticator, type CustomInput, type CustomResult, createCustom } from '@postern/authenticators/custom'
import { planLock, planRemove, planUnlock } from '@postern/authenticators/enrolment'
import { createRegistry } from '@postern/authenticators/registry'
import { equal, hex, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { answersOf, count, got, type Place, timer } from '../answers.js'
import { createWorld, random, type World } from '../world.js'

const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }

/** A riddle: the answer is what was enrolled. */
const riddle: CustomAuthenticator = {
  name: 'riddle',
  amr: ['kba'],
  deadlineMs: 100,
  async enrol({ answer }) {
    if (answer === null) return { outcome: 'continue', reply: 'choose an answer' }
    return { outcome: 'done', data: utf8(String(answer)) }
  },
  async finish({ answer, data }) {
    return equal(utf8(String(answer)), data!) ? { outcome: 'done' } : { outcome: 'retry', reply: 'no' }
  },
}

async function bank(definition: CustomAuthenticator = riddle, w = createWorld(), place = usr) {
  const custom = createCustom(definition, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime })
  const a = answersOf(w, custom, place)
  const first = got(await a.begin(null, null, { at: 'enrol' }))
  const asked =
    first.body['ask'] === 'finish' ? first : got(await a.begin(null, { answer: 'yes' }, { at: 'enrol', handle: first.handle }))
  got(await a.finish(null, null, { at: 'enrol', handle: asked.handle }))
  await a.confirm(first.enrolment)
  const id = first.enrolment
  async function answer(value: unknown, more = {}) {
    const { handle } = got(await a.begin(id, null, more))
    return a.begin(id, { answer: value }, { ...more, handle })
  }
  async function login(value: unknown, more = {}) {
    const said = await answer(value, more)
    if (!said.ok) return said
    expect(said.value.body['ask']).toBe('finish')
    return a.finish(id, null, { ...more, handle: said.value.handle })
  }
  const n = async () => (await a.record(`cus/${id}`))[0]?.n ?? 0
  return { w, a, id, custom, answer, login, n }
}

/** The events of a type, in any order. */
const told = async (w: World, type: string) =>
  (await w.store.outbox!({ now: w.clock(), limit: 200 })).map((r) => decodeEvent(r.value)!).filter((e) => e.type === type)

/** A function that says the same each time, and its calls. */
function counter() {
  const calls: CustomInput[] = []
  const says = (result: CustomResult) => async (i: CustomInput) => {
    calls.push(i)
    return result
  }
  return { calls, says }
}

/** A definition whose `finish` does this, whatever the types say. */
const with_ = (finish: (i: CustomInput) => unknown, more: Partial<CustomAuthenticator> = {}): CustomAuthenticator => ({
  ...riddle,
  ...more,
  finish: finish as CustomAuthenticator['finish'],
})

describe('a custom authenticator', () => {
  it('enrols, keeps its data sealed, logs in', async () => {
    const { a, id, answer, login, n, custom } = await bank()
    expect(custom).toMatchObject({ type: 'custom:riddle', amr: ['kba'] })
    expect((await a.enrolled(id)).value).toMatchObject({ type: 'custom:riddle', status: 'active', owner: 'usr:ada' })
    const [kept] = await a.record(`cus/${id}`)
    expect(hex(kept!.value)).not.toContain(hex(utf8('yes')))
    expect(await answer('no')).toMatchObject({
      ok: true,
      value: { body: { ask: 'answer', outcome: 'retry', reply: 'no' }, attemptsLeft: 4 },
    })
    expect(await n()).toBe(1)
    expect(got(await login('yes'))).toMatchObject({ amr: ['kba'], proof: null, facts: { type: 'custom:riddle', failures: 1 } })
    expect(await n()).toBe(0)
  })

  it('the host is told who, where and for what, in copies', async () => {
    const seen: CustomInput[] = []
    const w = createWorld()
    const d = await w.device('d1')
    const [rec] = await w.read(d, 'd')
    const device = { id: d.id, rev: rec!.rev, key: d.jwk, keyLevel: 'hardware' as const }
    const definition = with_(
      (i) => {
        seen.push(i)
        i.data?.fill(0)
        i.bind?.fill(0)
        return { outcome: 'done' }
      },
      {
        async begin(i) {
          seen.push(i)
          return { outcome: 'continue', reply: null, state: utf8('step 1') }
        },
      },
    )
    const { login, a, id } = await bank(definition, w, { part: w.part(d), about: { device } })
    const bind = random(32)
    const before = bind.slice()
    got(await login({ a: [1, null] }, { bind, purpose: 'confirm' }))
    const common = { purpose: 'confirm', subjectRef: 'usr:ada', device: { id: 'd1', keyLevel: 'hardware', app: 'retail' } }
    expect(seen[0]).toMatchObject({ ...common, answer: null, state: null, data: null })
    expect(seen[1]).toMatchObject({ ...common, answer: { a: [1, null] }, state: utf8('step 1') })
    expect(seen[1]!.signal).toBeInstanceOf(AbortSignal)
    expect(bind).toEqual(before)
    // What the host did to its copy is not what is kept.
    expect(await a.record(`cus/${id}`)).not.toEqual([null])
    const again = await bank(riddle, w, { part: w.part(d), about: { device } })
    expect(again.id).not.toBe(id)
  })

  it('begin is given what was kept, where the caller has read it', async () => {
    let seen: Uint8Array | null = null
    const { a, id } = await bank({
      ...riddle,
      async begin({ data }) {
        seen = data
        return { outcome: 'continue', reply: null }
      },
    })
    got(await a.begin(id, null))
    expect(seen).toBe(null)
    got(await a.begin(id, null, { records: await a.record(`cus/${id}`) }))
    expect(seen).toEqual(utf8('yes'))
  })

  it('data is replaced by `done` alone, and stays where `done` gives none', async () => {
    let turn = 0
    const definition = with_(({ data }) =>
      turn++ === 0 ? { outcome: 'done', data: utf8('new') } : { outcome: 'done', reply: hex(data!) },
    )
    const { answer, login } = await bank(definition)
    got(await login('x'))
    got(await login('x'))
    expect(got(await answer('x')).body).toMatchObject({ reply: hex(utf8('new')) })
  })

  it('the commits are the try and the accept, as they are written down; three commits and no read a login', async () => {
    const counting = countingStore(memoryStore())
    const { a, id, custom } = await bank(riddle, createWorld({ store: counting.store }))
    const c = await a.ceremony('login', id)
    const { handle } = got(await a.begin(id, null))
    counting.reset()
    const step = await custom.begin({ ...c, handle }, { answer: 'yes' })
    if (!step.ok) throw new Error(step.code)
    expect(step.ops.map(({ op, key }) => `${op} ${key.replace(/^ch\/.*/, 'ch/x')}`)).toEqual([
      `check enr/${id}`,
      'put ch/x',
      `add cus/${id}`,
    ])
    expect(counting.counts()).toEqual({ read: 0, commit: 0, list: 0 })
    const asked = got(await a.begin(id, { answer: 'yes' }, { handle }))
    const verdict = await custom.finish({ ...c, handle: asked.handle }, null)
    if (!verdict.ok) throw new Error(verdict.code)
    expect(verdict.ops.map(({ op, key }) => `${op} ${key}`)).toEqual([`check enr/${id}`, `put cus/${id}`])
  })

  it('asks on eight times, each a try, with the state it sealed; the ninth is no valid result', async () => {
    const states: string[] = []
    const definition = with_(
      ({ state }) => {
        states.push(state === null ? '-' : hex(state))
        return { outcome: 'continue', reply: states.length, state: new Uint8Array(4096).fill(states.length) }
      },
      { maxAttempts: 20 },
    )
    const { a, id, answer, n } = await bank(definition)
    let last = got(await answer(1))
    for (let i = 2; i <= 8; i++) last = got(await a.begin(id, { answer: i }, { handle: last.handle }))
    expect(await n()).toBe(8)
    expect(states.slice(0, 2)).toEqual(['-', '01'.repeat(4096)])
    expect(await a.begin(id, { answer: 9 }, { handle: last.handle })).toMatchObject({ code: 'custom.invalid_result' })
    expect(await n()).toBe(9)
  })

  it('claims no more than was declared, and less where it says so', async () => {
    const uri = 'https://bank.example/amr/riddle'
    const amr = ['kba', 'mfa', uri]
    for (const [claimed, expected] of [
      [undefined, amr],
      [['kba'], ['kba']],
      [[uri, uri], [uri]],
      [[], []],
    ] as const) {
      const { login } = await bank(
        with_(() => ({ outcome: 'done', ...(claimed === undefined ? {} : { amr: claimed }) }), { amr }),
      )
      expect(got(await login('x'))).toMatchObject({ amr: expected })
    }
    const { login } = await bank(with_(() => ({ outcome: 'done', amr: ['hwk'] }), { amr }))
    expect(await login('x')).toMatchObject({ code: 'custom.invalid_result' })
  })

  it('without `enrol` enrolling asks nothing, and a definition cannot be changed afterwards', async () => {
    const definition: { -readonly [K in keyof CustomAuthenticator]: CustomAuthenticator[K] } = {
      name: 'x',
      amr: ['kba'],
      finish: async () => ({ outcome: 'retry' }),
    }
    const { answer } = await bank(definition)
    definition.finish = async () => ({ outcome: 'done' })
    definition.amr = ['hwk']
    expect(await answer('x')).toMatchObject({ ok: true, value: { body: { outcome: 'retry' } } })
  })

  it('the tries of an enrolment are counted too', async () => {
    const definition: CustomAuthenticator = {
      ...riddle,
      maxAttempts: 3,
      enrol: async ({ answer }) => (answer === null ? { outcome: 'continue', reply: 1 } : { outcome: 'retry' }),
    }
    const w = createWorld()
    const a = answersOf(w, createCustom(definition, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime }), usr)
    let { handle } = got(await a.begin(null, null, { at: 'enrol' }))
    for (let i = 0; i < 3; i++) handle = got(await a.begin(null, { answer: i }, { at: 'enrol', handle })).handle
    expect(await a.begin(null, { answer: 4 }, { at: 'enrol', handle })).toMatchObject({
      code: 'custom.failed',
      reason: 'attempts',
    })
    const [counter] = await w.store.list(usr.part, 'cus/', { now: w.clock(), limit: 9 })
    expect(counter).toMatchObject({ n: 3, expiresAt: w.clock() + 86_400_000 })
    const fatal = { ...definition, enrol: async () => ({ outcome: 'fatal', reply: 'out' }) as const }
    const b = answersOf(w, createCustom(fatal, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime }), usr)
    expect(await b.begin(null, null, { at: 'enrol' })).toMatchObject({
      code: 'custom.failed',
      next: 'removed',
      body: { reply: 'out' },
    })
    expect(await b.begin(null, null, { at: 'enrol', claim: { until: 0, owner: '', data: utf8('') } })).toMatchObject({
      code: 'enrolment.expired',
    })
  })

  it('one enrolment, however often its finish is sent', async () => {
    const w = createWorld()
    const a = answersOf(w, createCustom(riddle, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime }), usr)
    const first = got(await a.begin(null, null, { at: 'enrol' }))
    const asked = got(await a.begin(null, { answer: 'yes' }, { at: 'enrol', handle: first.handle }))
    const all = await Promise.all(Array.from({ length: 5 }, () => a.finish(null, null, { at: 'enrol', handle: asked.handle })))
    expect(count(all)).toEqual({ ok: 1, 'authenticator.already_enrolled': 4 })
  })

  it('fatal locks, or removes with all that was kept, and says what the host wants said', async () => {
    for (const [remove, code, status] of [
      [undefined, 'authenticator.locked', 'locked'],
      [false, 'authenticator.locked', 'locked'],
      [true, 'authenticator.removed', 'removed'],
    ] as const) {
      const { w, a, id, answer } = await bank(
        with_(() => ({ outcome: 'fatal', reply: 'enough', ...(remove === undefined ? {} : { remove }) })),
      )
      expect(await answer('x')).toMatchObject({ code, next: 'removed', body: { reply: 'enough' } })
      expect((await a.enrolled(id)).value).toMatchObject({ status, cause: 'host' })
      expect((await a.record(`cus/${id}`))[0] === null).toBe(status === 'removed')
      expect(await a.begin(id, null)).toMatchObject({ code })
      expect(await told(w, code)).toMatchObject([{ outcome: 'refused', authenticator: id, reason: 'host' }])
    }
    const { a, id } = await bank({ ...riddle, begin: async () => ({ outcome: 'fatal' }) })
    expect(await a.begin(id, null)).toMatchObject({ code: 'authenticator.locked' })
    expect((await a.enrolled(id)).value.status).toBe('locked')
  })

  it('the last wrong answer locks; an operator’s unlock keeps the data and counts anew', async () => {
    const { w, a, id, custom, login, answer } = await bank({ ...riddle, maxAttempts: 2 })
    got(await answer('no'))
    expect(await answer('no')).toMatchObject({ code: 'authenticator.locked', body: { reply: 'no' } })
    expect((await a.enrolled(id)).value).toMatchObject({ status: 'locked', cause: 'attempts' })
    const [counter] = await a.record(`cus/${id}`)
    expect([
      custom.locked([counter!]),
      custom.locked([counter!], counter!.rev),
      custom.locked([{ ...counter!, n: 1 }]),
      custom.locked([null]),
    ]).toEqual([true, false, false, false])
    await w.store.commit(usr.part, planUnlock(await a.enrolled(id), { ...counter!, key: `cus/${id}` }), {
      now: w.clock(),
      rev: newRev(random),
    })
    got(await login('yes'))
  })

  it('tells the host of a removal, under the same deadline', async () => {
    const told: (Uint8Array | null)[] = []
    const { a, id, custom, w } = await bank({ ...riddle, remove: async ({ data }) => void told.push(data) })
    const c = await a.ceremony('remove', id, { records: await a.record(`cus/${id}`) })
    await w.store.commit(usr.part, planRemove(await a.enrolled(id), 'user', custom.remove(id)), {
      now: w.clock(),
      rev: newRev(random),
    })
    await custom.removed!(c, c.records!)
    expect(told).toEqual([utf8('yes')])
    await custom.removed!({ ...c, enrolment: null }, [null])
    expect(told).toHaveLength(1)
    const o = { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime }
    const throwing = createCustom({ ...riddle, remove: async () => Promise.reject(new Error('x')) }, o)
    await expect(throwing.removed!(c, [null])).rejects.toMatchObject({ code: 'custom.failed' })
    const hanging = createCustom({ ...riddle, remove: () => new Promise(() => {}) }, o)
    await expect(hanging.removed!(c, [null])).rejects.toMatchObject({ code: 'custom.timeout' })
    await expect(createCustom(riddle, o).removed!(c, [null])).resolves.toBe(undefined)
  })

  it('names, amr and limits that cannot be are refused when it is made, and again in the registry', () => {
    const w = createWorld()
    const make = (more: object) => () =>
      createCustom({ ...riddle, ...more }, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime })
    for (const bad of [
      { name: '' },
      { name: 'A' },
      { name: '-a' },
      { name: 'a'.repeat(33) },
      { name: 'a:b' },
      { amr: ['face-ish'] },
      { amr: [''] },
    ])
      expect(make(bad)).toThrow(/authenticator.invalid/)
    for (const bad of [{ maxAttempts: 0 }, { maxAttempts: 21 }, { deadlineMs: 99 }, { deadlineMs: 60_001 }])
      expect(make(bad)).toThrow(RangeError)
    const a = make({ amr: ['kba', 'urn:bank:riddle'] })()
    expect(createRegistry([a, make({ name: 'other' })()]).types).toEqual(['custom:riddle', 'custom:other'])
    expect(() => createRegistry([a, a])).toThrow(/authenticator.invalid/)
  })
})

describe('a host’s function that fails', () => {
  const late = () => new Promise(() => {})
  const big = 'x'.repeat(1_000_000)
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const hostile = Object.defineProperty(new Error(), 'message', {
    get() {
      throw new Error('boom')
    },
  })
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
  class Understated extends Uint8Array {
    override get length() {
      return 0
    }
  }
  it.each<readonly [string, (i: CustomInput) => unknown, string]>([
    ['throws', () => Promise.reject(new Error('boom')), 'custom.failed'],
    [
      'throws before it promises',
      () => {
        throw new Error('boom')
      },
      'custom.failed',
    ],
    ['throws what is no error', () => Promise.reject('boom'), 'custom.failed'],
    ['throws what throws when it is read', () => Promise.reject(hostile), 'custom.failed'],
    ['throws what cannot be looked at', () => Promise.reject(revoked()), 'custom.failed'],
    ['returns what cannot be looked at', () => ({ outcome: 'done', data: revoked() }), 'custom.invalid_result'],
    ['keeps more data than it says', () => ({ outcome: 'done', data: new Understated(16_385) }), 'custom.invalid_result'],
    [
      'keeps more state than it says',
      () => ({ outcome: 'continue', reply: 1, state: new Understated(70_000) }),
      'custom.invalid_result',
    ],
    ['hangs', late, 'custom.timeout'],
    ['returns {outcome:"ok"}', () => ({ outcome: 'ok' }), 'custom.invalid_result'],
    ['returns nothing', () => undefined, 'custom.invalid_result'],
    ['returns true', () => true, 'custom.invalid_result'],
    ['returns an inherited name', () => ({ outcome: 'constructor' }), 'custom.invalid_result'],
    ['returns a member too many', () => ({ outcome: 'done', user: 'eve' }), 'custom.invalid_result'],
    ['returns another outcome’s member', () => ({ outcome: 'retry', data: utf8('x') }), 'custom.invalid_result'],
    ['continues without a reply', () => ({ outcome: 'continue' }), 'custom.invalid_result'],
    ['replies with 1 MB', () => ({ outcome: 'retry', reply: big }), 'custom.invalid_result'],
    ['replies with 16,385 bytes', () => ({ outcome: 'done', reply: 'x'.repeat(16_383) }), 'custom.invalid_result'],
    ['replies in a circle', () => ({ outcome: 'done', reply: cyclic }), 'custom.invalid_result'],
    ['replies with a function', () => ({ outcome: 'done', reply: () => 1 }), 'custom.invalid_result'],
    ['replies with __proto__', () => ({ outcome: 'done', reply: JSON.parse('{"__proto__":1}') }), 'custom.invalid_result'],
    [
      'keeps 4,097 bytes of state',
      () => ({ outcome: 'continue', reply: 1, state: new Uint8Array(4097) }),
      'custom.invalid_result',
    ],
    ['keeps 16,385 bytes of data', () => ({ outcome: 'done', data: new Uint8Array(16_385) }), 'custom.invalid_result'],
    ['keeps text for data', () => ({ outcome: 'done', data: 'x' }), 'custom.invalid_result'],
    ['claims an amr that is no text', () => ({ outcome: 'done', amr: [1] }), 'custom.invalid_result'],
    ['claims an amr that is no list', () => ({ outcome: 'done', amr: 'kba' }), 'custom.invalid_result'],
    ['removes by a word', () => ({ outcome: 'fatal', remove: 'yes' }), 'custom.invalid_result'],
    [
      'has a getter that throws',
      () => ({
        get outcome() {
          throw new Error('x')
        },
      }),
      'custom.invalid_result',
    ],
  ])('that %s costs the try, is coded, and leaks nothing', async (_, finish, code) => {
    const { w, a, id, answer, n } = await bank(with_(finish))
    const said = await answer('x')
    expect(said).toMatchObject({ ok: false, code, reason: code, attemptsLeft: 4, next: 'retry' })
    expect(JSON.stringify({ ...said, event: null })).not.toContain('boom')
    expect(await n()).toBe(1)
    expect((await a.enrolled(id)).value.status).toBe('active')
    expect(await told(w, 'custom.failed')).toMatchObject([{ outcome: 'failure', authenticator: id, reason: code }])
  })

  it('what it threw stands in the event alone, 200 characters of it', async () => {
    const { w, answer } = await bank(with_(() => Promise.reject(new Error('x'.repeat(500)))))
    await answer('x')
    expect((await told(w, 'custom.failed')).map((e) => e.detail)).toEqual([{ message: 'x'.repeat(200), type: 'custom:riddle' }])
  })

  it('largest data and reply pass, through handle and store', async () => {
    const data = random(16_384)
    const { a, id, login, custom } = await bank(with_(() => ({ outcome: 'done', data, reply: 'x'.repeat(16_382) })))
    const { handle } = got(await a.begin(id, null))
    const asked = got(await a.begin(id, { answer: 1 }, { handle }))
    expect(asked.handle.length).toBeLessThanOrEqual(32_768)
    got(await a.finish(id, null, { handle: asked.handle }))
    got(await login('x'))
    expect(custom.type).toBe('custom:riddle')
  })

  it('a late answer is heard by nobody, its signal aborted', async () => {
    let signal: AbortSignal | null = null
    let release = (_: CustomResult): void => {}
    const { answer, login, n } = await bank(
      with_((i) => {
        signal = i.signal
        return new Promise<CustomResult>((resolve) => {
          release = resolve
        })
      }),
    )
    expect(await answer('x')).toMatchObject({ code: 'custom.timeout' })
    expect(signal!.aborted).toBe(true)
    release({ outcome: 'done' })
    await new Promise((r) => setTimeout(r, 5))
    expect(await n()).toBe(1)
    expect(await login('x')).toMatchObject({ code: 'custom.timeout' })
    expect(await n()).toBe(2)
  })

  it('done before anything was answered is no valid result', async () => {
    const { a, id, n } = await bank({ ...riddle, begin: async () => ({ outcome: 'done' }) })
    expect(await a.begin(id, null)).toMatchObject({ code: 'custom.invalid_result' })
    expect(await n()).toBe(0)
  })

  it.each([
    null,
    'x',
    {},
    { answer: 1, more: 1 },
    { other: 1 },
    { answer: undefined },
    { answer: 'x'.repeat(16_383) },
    { answer: 10n },
    ['x'],
  ])('a message %o never reaches it and is not counted', async (input) => {
    const { calls, says } = counter()
    const { a, id, n } = await bank(with_(says({ outcome: 'done' })))
    const { handle } = got(await a.begin(id, null))
    const said = await a.begin(id, input, { handle })
    if (input !== null) expect(said).toMatchObject({ code: 'custom.failed', reason: 'message' })
    expect([calls.length, await n()]).toEqual([0, 0])
  })
})

describe('attacks on custom authenticators', () => {
  it('A01 50 answers in parallel with N = 5: the function runs five times, then it is locked', async () => {
    const { calls, says } = counter()
    const { a, id } = await bank(with_(says({ outcome: 'retry' })))
    const handles = await Promise.all(Array.from({ length: 50 }, async () => got(await a.begin(id, null)).handle))
    const all = await Promise.all(handles.map((handle) => a.begin(id, { answer: 'x' }, { handle })))
    expect(calls.length).toBe(5)
    expect(count(all)['ok']).toBe(4)
    expect((await a.enrolled(id)).value.status).toBe('locked')
  })

  it('A02 no crash or lost answer gives a try back, over 40 seeds of a lying network', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { calls, says } = counter()
      const { w, a, id, custom } = await bank(with_(says({ outcome: 'retry' })), createWorld({ store: memoryStore() }))
      const store = faultyStore(w.store, { seed })
      const b = answersOf(w, custom, usr, store)
      const handles = await Promise.all(Array.from({ length: 12 }, async () => got(await a.begin(id, null)).handle))
      await Promise.all(handles.map((handle) => b.begin(id, { answer: 'x' }, { handle }).catch(() => null)))
      await store.drain()
      expect(calls.length, `seed ${seed}`).toBeLessThanOrEqual(5)
    }
  })

  it('A03 another’s done, a second enrolment and a time jump leave the count alone', async () => {
    const w = createWorld()
    const [first, second] = [await bank(riddle, w), await bank(riddle, w)]
    for (let i = 0; i < 3; i++) await first.answer('no')
    got(await second.login('yes'))
    w.time.now += 400 * 86_400_000
    expect(await first.n()).toBe(3)
  })

  it('A03 only the newest answer’s yes resets the count: guessing beside it is seen', async () => {
    const { a, id, answer, n } = await bank()
    const yes = got(await answer('yes'))
    got(await answer('no'))
    expect(await a.finish(id, null, { handle: yes.handle })).toMatchObject({ code: 'authenticator.superseded' })
    expect(await n()).toBe(2)
  })

  it('A05 I7 a stranger changes no counter and calls no function', async () => {
    const { calls, says } = counter()
    const { a, id, n } = await bank(with_(says({ outcome: 'done' }), { begin: says({ outcome: 'continue', reply: 1 }) }))
    const { handle } = got(await a.begin(id, null))
    calls.length = 0
    for (const proven of [undefined, []]) {
      const stranger = { proven: proven ?? [] }
      expect(await a.begin(id, null, stranger)).toMatchObject({ code: 'custom.failed' })
      expect(await a.begin(id, { answer: 'yes' }, { ...stranger, handle })).toMatchObject({ code: 'custom.failed' })
    }
    expect([calls.length, await n()]).toEqual([0, 0])
  })

  it('A07 an answer’s handle works once, a yes too, each in parallel', async () => {
    const { calls, says } = counter()
    const { a, id } = await bank(with_(says({ outcome: 'done' }), { maxAttempts: 20 }))
    const { handle } = got(await a.begin(id, null))
    const asked = await Promise.all(Array.from({ length: 20 }, () => a.begin(id, { answer: 'yes' }, { handle })))
    expect([count(asked), calls.length]).toEqual([{ ok: 1, 'custom.failed': 19 }, 1])
    const yes = got(asked.find((r) => r.ok)!)
    const done = await Promise.all(Array.from({ length: 20 }, () => a.finish(id, null, { handle: yes.handle })))
    expect(count(done)).toEqual({ ok: 1, 'authenticator.superseded': 19 })
  })

  it('A07 state and yes fit no other purpose, bind, device, tenant, enrolment or authenticator', async () => {
    const w = createWorld()
    const { a, id, custom, n } = await bank(riddle, w)
    const second = await bank(riddle, w)
    const other = createCustom({ ...riddle, name: 'other' }, { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime })
    const d = await w.device('d1')
    const bind = random(32)
    const at = { bind, purpose: 'confirm' as const }
    const { handle } = got(await a.begin(id, null, at))
    const device = { id: 'd1', rev: 'x', key: d.jwk, keyLevel: 'hardware' as const }
    const swaps = [
      { purpose: 'login' as const },
      { bind: null },
      { bind: random(32) },
      { device },
      { tenant: 'other' },
      { issuer: 'https://other.example' },
      { handle: 'x' },
    ]
    for (const swap of swaps)
      expect(await a.begin(id, { answer: 'yes' }, { ...at, handle, ...swap })).toMatchObject({
        code: 'custom.failed',
        reason: 'handle',
      })
    expect(await a.begin(second.id, { answer: 'yes' }, { ...at, handle })).toMatchObject({
      code: 'custom.failed',
      reason: 'handle',
    })
    expect([await n(), await second.n()]).toEqual([0, 0])
    const yes = got(await a.begin(id, { answer: 'yes' }, { ...at, handle }))
    const here = await a.ceremony('confirm', id, { ...at, handle: yes.handle })
    for (const swap of [...swaps, { handle }])
      expect(await runFinish(custom, { ...here, ...swap }, null, { runtime: w.runtime })).toMatchObject({ code: 'custom.failed' })
    expect(await runFinish(other, here, null, { runtime: w.runtime })).toMatchObject({ code: 'custom.failed' })
    expect(await runFinish(custom, here, { answer: 'yes' }, { runtime: w.runtime })).toMatchObject({ code: 'custom.failed' })
    expect(await runFinish(custom, here, null, { runtime: w.runtime })).toMatchObject({ ok: true })
  })

  it('A07 a handle waits five minutes, no longer', async () => {
    const { w, a, id } = await bank()
    const { handle } = got(await a.begin(id, null))
    w.time.now += 300_000
    expect(await a.begin(id, { answer: 'yes' }, { handle })).toMatchObject({ code: 'custom.failed', reason: 'expired' })
  })

  it('A08 kept data moved to another enrolment does not open', async () => {
    const w = createWorld()
    const [mine, victim] = [await bank(riddle, w), await bank(riddle, w)]
    const [rec] = await mine.a.record(`cus/${mine.id}`)
    await w.store.commit(usr.part, [{ op: 'put', key: `cus/${victim.id}`, value: rec!.value }], {
      now: w.clock(),
      rev: newRev(random),
    })
    await expect(victim.answer('yes')).rejects.toMatchObject({ code: 'store.corrupt' })
  })

  it('A04 a lock between the yes and its commit wins', async () => {
    const { w, a, id, answer } = await bank()
    const yes = got(await answer('yes'))
    await w.store.commit(usr.part, [planLock(await a.enrolled(id), 'operator')], { now: w.clock(), rev: newRev(random) })
    expect(await a.finish(id, null, { handle: yes.handle })).toMatchObject({ code: 'authenticator.locked' })
  })

  it('an enrolment that is not there is refused without the host', async () => {
    const { calls, says } = counter()
    const { a } = await bank(with_(says({ outcome: 'done' })))
    expect(await a.begin('0'.repeat(32), null)).toMatchObject({ code: 'custom.failed' })
    expect(await a.begin('0'.repeat(32), { answer: 1 })).toMatchObject({ code: 'custom.failed' })
    expect(calls.length).toBe(0)
  })
})
