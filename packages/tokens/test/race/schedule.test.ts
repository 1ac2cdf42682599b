import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Answer, type Device, ISSUER, type World } from '../world.js'
import { scheduled } from './scheduled.js'

const numRuns = Math.ceil(Number(process.env.POSTERN_RUNS ?? 100) / 2)
const explored = (test: (schedule: fc.Scheduler, racers: number) => Promise<void>) =>
  fc.assert(fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 4 }), test), { numRuns })
const times = <T>(n: number, run: (i: number) => Promise<T>): Promise<T>[] => Array.from({ length: n }, (_, i) => run(i))
const won = (answers: readonly Answer[]): readonly Answer[] => answers.filter(({ status }) => status === 200)
const active = async (w: World, token: string): Promise<boolean> => (await w.introspect(token)).body.active

type Aim = (w: World, device: Device, token: string) => Promise<unknown>
const owner = (w: World, { id }: Device) =>
  places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' }).device(id)
const aims: readonly (readonly [string, Aim])[] = [
  [
    'its token',
    async (w, device, token) =>
      w.post('/revoke', { client_id: device.id, token }, { headers: { dpop: await device.proof(`${ISSUER}/revoke`) } }),
  ],
  ['its instance', (w, device) => revoke({ owner: owner(w, device) }, w.contexts[1]!)],
  ['its user on the instance', (w, device) => revoke({ owner: owner(w, device), subject: 'user-1' }, w.contexts[1]!)],
  ['its user everywhere', (w, { id }) => revoke({ subject: 'user-1', devices: [id] }, w.contexts[1]!)],
]

describe('in every order that the store can answer in', () => {
  it('T02 a code is redeemed once, and whoever comes after ends what came of it', () =>
    explored(async (schedule, racers) => {
      const { w, race } = await scheduled(schedule)
      const device = await w.device()
      const code = await w.code(device.id)
      const answers = await race(() => Promise.all(times(racers, (i) => w.redeem(device, code, i % 2))))
      expect(answers.map(({ status, body }) => (status === 200 ? 'tokens' : body.error)).sort()).toEqual([
        ...Array(racers - 1).fill('invalid_grant'),
        'tokens',
      ])
      const [{ body }] = won(answers) as [Answer]
      expect(await active(w, body.access_token)).toBe(false)
      expect((await w.refresh(device, body.refresh_token)).body.error).toBe('invalid_grant')
    }))

  it('T16 a refresh token has one successor, however many race for it', () =>
    explored(async (schedule, racers) => {
      const { w, race } = await scheduled(schedule)
      const device = await w.device()
      const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
      const answers = await race(() => Promise.all(times(racers, (i) => w.refresh(device, refresh_token, i % 2))))
      expect(answers.map(({ status }) => status)).toEqual(Array(racers).fill(200))
      const [successor, ...others] = new Set(answers.map(({ body }) => body.refresh_token))
      expect([others, successor === refresh_token]).toEqual([[], false])
      for (const { body } of answers) expect(await active(w, body.access_token)).toBe(true)
      expect((await w.refresh(device, successor)).status).toBe(200)
    }))

  it('T15 an old token and the newest at once: the family ends, whoever of them is first', () =>
    explored(async (schedule) => {
      const { w, race } = await scheduled(schedule)
      const device = await w.device()
      const first = (await w.redeem(device, await w.code(device.id))).body
      const second = (await w.refresh(device, first.refresh_token)).body
      const third = (await w.refresh(device, second.refresh_token)).body
      const [stolen, honest] = await race(() =>
        Promise.all([w.refresh(device, first.refresh_token, 0), w.refresh(device, third.refresh_token, 1)]),
      )
      expect(stolen.body.error).toBe('invalid_grant')
      const newest = honest.status === 200 ? honest.body : third
      expect(await active(w, newest.access_token)).toBe(false)
      expect((await w.refresh(device, newest.refresh_token)).body.error).toBe('invalid_grant')
    }))

  it.each(aims)(
    'T17 refreshes against the revocation of %s: nothing that anybody got is active, nor does anybody get more',
    (_what, aim) =>
      explored(async (schedule, racers) => {
        const { w, race } = await scheduled(schedule)
        const device = await w.device()
        const { refresh_token, access_token } = (await w.redeem(device, await w.code(device.id))).body
        const [late, ...answers] = await race(() =>
          Promise.all([
            aim(w, device, refresh_token).then(() => w.refresh(device, refresh_token, 0)),
            ...times(racers, (i) => w.refresh(device, refresh_token, i % 2)),
          ]),
        )
        expect(late.body.error).toBe('invalid_grant')
        expect(await active(w, access_token)).toBe(false)
        for (const { body } of won(answers)) {
          expect(await active(w, body.access_token)).toBe(false)
          expect((await w.refresh(device, body.refresh_token)).body.error).toBe('invalid_grant')
        }
      }),
  )

  it.each(aims.slice(1))('T17 T50 redemptions against the revocation of %s: likewise', (_what, aim) =>
    explored(async (schedule) => {
      const { w, race } = await scheduled(schedule)
      const device = await w.device()
      const codes = [await w.code(device.id), await w.code(device.id), await w.code(device.id)]
      const [late, ...answers] = await race(() =>
        Promise.all([
          aim(w, device, '').then(() => w.redeem(device, codes[0]!)),
          ...codes.slice(1).map((code, i) => w.redeem(device, code, i)),
        ]),
      )
      expect(late.body.error).toBe('invalid_grant')
      for (const { body } of won(answers)) expect(await active(w, body.access_token)).toBe(false)
    }),
  )
})
