/** What stands in a user's partition goes on only while its user does. */
import type { Authenticator } from '@postern/authenticators/authenticator'
import { createCustom } from '@postern/authenticators/custom'
import { createOtp, importOtp } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { utf8 } from '@postern/core/bytes'
import { newRev, type Op } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { answersOf, got, type Place, timer } from '../answers.js'
import { createWorld, issuer, random, type World } from '../world.js'

const part = { tenant: 'bank', id: 'usr:ada' }
const place: Place = { part, about: { device: null, proven: ['pin'] } }
const secret = utf8('12345678901234567890')

interface Case {
  readonly name: string
  /** Enrols, and returns the authenticator, the enrolment and an answer that is right. */
  enrol(w: World): Promise<{ authenticator: Authenticator; id: string; right: () => unknown; asks: boolean }>
}

const cases: readonly Case[] = [
  {
    name: 'OTP',
    async enrol(w) {
      const { seal, runtime } = w
      const kept = {
        kind: { type: 'totp' },
        secret,
        owner: part.id,
        place: { tenant: 'bank', issuer },
        atRest: seal,
        runtime,
      } as const
      const { id, ops } = await importOtp(kept)
      await w.store.commit(part, ops, { now: w.clock(), rev: newRev(random) })
      const right = () => ({ code: totp(secret, { now: w.clock() }) })
      return { authenticator: createOtp({ seal, atRest: seal, runtime }), id, right, asks: false }
    },
  },
  {
    name: 'custom',
    async enrol(w) {
      const { seal, runtime } = w
      const finish = async () => ({ outcome: 'done' }) as const
      const authenticator = createCustom({ name: 'x', amr: ['kba'], finish }, { seal, atRest: seal, timer, runtime })
      const a = answersOf(w, authenticator, place)
      const first = got(await a.begin(null, null, { at: 'enrol' }))
      got(await a.finish(null, null, { at: 'enrol', handle: first.handle }))
      await a.confirm(first.enrolment)
      return { authenticator, id: first.enrolment, right: () => ({ answer: 1 }), asks: true }
    },
  },
]

describe.each(cases)('$name', ({ enrol }) => {
  async function world() {
    const w = createWorld()
    const write = (op: Op) => w.store.commit(part, [op], { now: w.clock(), rev: newRev(random) })
    await write({ op: 'put', key: 'u', value: utf8('active') })
    const { authenticator, id, right, asks } = await enrol(w)
    const a = answersOf(w, authenticator, place)
    const [u] = await a.record('u')
    const user = { rev: u!.rev }
    const tried = async () => {
      const handle = asks ? { handle: got(await a.begin(id, null, { user })).handle } : {}
      return a.begin(id, right(), { user, ...handle })
    }
    return { a, id, user, write, tried }
  }

  it('a user who stays logs in', async () => {
    const { a, id, user, tried } = await world()
    const { handle } = got(await tried())
    expect(await a.finish(id, null, { user, handle })).toMatchObject({ ok: true })
  })

  it.each([
    [
      'blocked',
      { op: 'put', key: 'u', value: utf8('blocked') },
      { code: expect.stringMatching(/refused|failed/), next: 'again' },
    ],
    ['removed', { op: 'del', key: 'u' }, { code: 'device.removed', next: 'removed' }],
  ] as const)('A04 a user who was %s meanwhile takes no try and finishes nothing', async (_, change, refused) => {
    const before = await world()
    await before.write(change)
    expect(await before.tried()).toMatchObject({ ok: false, ...refused })
    const counters = await Promise.all([`otp/${before.id}`, `cus/${before.id}`].map((key) => before.a.record(key)))
    expect(counters.map(([rec]) => rec?.n ?? 0)).toEqual([0, 0])

    const after = await world()
    const { handle } = got(await after.tried())
    await after.write(change)
    expect(await after.a.finish(after.id, null, { user: after.user, handle })).toMatchObject({ ok: false, ...refused })
  })
})
