/** Random walks over a bank with two nodes and three phones; after each step the invariants of the design. A failing seed replays. */
import { readDevices } from '@postern/authenticators/devices'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { decodeBase64url } from '@postern/core/base64url'
import { fromUtf8 } from '@postern/core/bytes'
import { places } from '@postern/tokens/places'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  ACR,
  type Answer,
  type Bank,
  createBank,
  createPhone,
  crypto,
  ISSUER,
  type Phone,
  type PhoneKey,
} from '../support/bank.js'
import { setLevel } from '../support/people.js'

const runs = Number(process.env.POSTERN_RUNS ?? 100)
const LIMIT = 2
const LEVEL: Readonly<Record<string, number>> = { biometric: 2, 'device-key': 3 }

/** What one phone has, as its owner knows it. */
interface Held {
  readonly phone: Phone
  instance: boolean
  ended: boolean
  registration: string
  /** Token for enrolling, and until when. */
  enrol: string | null
  keys: { readonly key: PhoneKey; readonly type: 'device-key' | 'biometric'; removed: boolean }[]
  /** Refresh tokens with the key that proved them; those that were rotated away stay to be tried. */
  families: { current: string; readonly by: string }[]
}

interface World {
  readonly bank: Bank
  readonly phones: readonly Held[]
  /** The least level of a login, as policy says it. */
  level: number
}

async function createWalk(): Promise<World> {
  const bank = await createBank({ limits: { devicesPerUser: LIMIT } }, { nodes: 2 })
  const phones = await Promise.all(
    [1, 2, 3].map(async (seed): Promise<Held> => {
      const phone = await createPhone(bank, seed)
      return { phone, instance: false, ended: false, registration: '', enrol: null, keys: [], families: [] }
    }),
  )
  return { bank, phones, level: 2 }
}

const claimsOf = (token: unknown): { acr?: string } => JSON.parse(fromUtf8(decodeBase64url(String(token).split('.')[1]!)!)!)
const levelOf = (token: unknown): number => ACR.indexOf((claimsOf(token).acr ?? '') as (typeof ACR)[number]) + 1

/** Whoever has nothing gets nothing, by whatever way he asks. */
async function loggedIn(world: World, held: Held, n: number, demanded: number, wrong: boolean, fallback: boolean): Promise<void> {
  const { phone } = held
  const one = held.keys[n % Math.max(1, held.keys.length)]
  if (one === undefined) {
    expect((await phone.start()).body).not.toHaveProperty('step')
    return
  }
  const first = await phone.start(demanded === 0 ? {} : { acr_values: ACR[demanded - 1]! })
  const session = String(first.body['auth_session'])
  const asked = await phone.challenge({
    auth_session: session,
    authenticator: one.key.id,
    ...(fallback ? { fallback: 'user-choice' } : {}),
  })
  const step = asked.body['step'] as { authenticator: string } | undefined
  if (step === undefined) return
  const prover = held.keys.find(({ key }) => key.id === step.authenticator)!
  const other = held.keys.find(({ key }) => key.id !== step.authenticator)
  const signer = wrong ? (other?.key.signer ?? phone.device) : prover.key.signer
  const form = await phone.keyAnswer(asked.body, { id: prover.key.id, signer })
  const login = await phone.challenge(form)
  const code = login.body['authorization_code']
  if (code === undefined) return
  // I2, I5
  expect(wrong).toBe(false)
  expect(held.ended || prover.removed).toBe(false)
  expect(LEVEL[prover.type]).toBeGreaterThanOrEqual(Math.max(demanded, world.level))
  expect((await phone.challenge(form)).body).not.toHaveProperty('authorization_code')
  const tokens = await phone.token(String(code))
  if (tokens.status !== 200) return
  expect(levelOf(tokens.body['access_token'])).toBeGreaterThanOrEqual(Math.max(demanded, world.level))
  held.families.push({ current: String(tokens.body['refresh_token']), by: prover.key.id })
}

type Step = (world: World, held: Held) => Promise<void>

const steps = {
  start: async (_, held) => {
    const { status, body } = await held.phone.enrolInstance()
    if (status !== 201) return
    // A new installation: what the old one had is another device's.
    Object.assign(held, {
      instance: true,
      ended: false,
      registration: String(body['registration_access_token']),
      enrol: null,
      keys: [],
      families: [],
    })
  },
  register: async (_, held) => {
    if (!held.instance) return
    const { status, body } = await held.phone.register()
    if (status === 200) expect(held.ended).toBe(false)
    held.enrol = status === 200 ? String(body['access_token']) : held.enrol
  },
  refreshAll: async (world, held) => {
    for (const family of held.families) {
      const { status, body } = await held.phone.refresh(family.current)
      if (status !== 200) continue
      // I1, I2: the key behind it is still enrolled, the device still here, the level still enough.
      expect(held.ended).toBe(false)
      expect(held.keys.find(({ key }) => key.id === family.by)?.removed).toBe(false)
      void world
      family.current = String(body['refresh_token'])
    }
  },
  unenrol: async (_, held) => {
    const one = held.keys.find(({ removed }) => !removed)
    if (one === undefined || held.enrol === null) return
    const last = held.keys.filter(({ removed }) => !removed).at(-1)!
    const login = await held.phone.loginKey(last.key, { scope: 'enrol', resource: ISSUER })
    const tokens = await held.phone.token(String(login.body['authorization_code'] ?? 'none'))
    if (tokens.status !== 200) return
    const answer = await held.phone.send('DELETE', `/enrolments/${one.key.id}`, undefined, String(tokens.body['access_token']))
    if (answer.status === 204) {
      expect(one).not.toBe(last)
      one.removed = true
    }
  },
  end: async (_, held) => {
    if (!held.instance || held.ended) return
    const answer = await held.phone.send('DELETE', `/register/${held.phone.clientId}`, undefined, held.registration)
    if (answer.status === 204) held.ended = true
  },
} satisfies Record<string, Step>

const enrol =
  (type: 'device-key' | 'biometric'): Step =>
  async (_, held) => {
    if (held.enrol === null) return
    const answer: Answer & { key: PhoneKey } = await held.phone.enrolKey(type, held.enrol)
    if (answer.status !== 201) return
    expect(held.ended).toBe(false)
    expect(held.keys.some((one) => one.type === type && !one.removed)).toBe(false)
    held.keys.push({ key: answer.key, type, removed: false })
  }

/** The level of logins and tokens, raised or lowered. */
async function rule(world: World, level: number): Promise<void> {
  if (world.level !== level) await setLevel(world.bank, level)
  world.level = level
}

/** I3: the limit holds in the user's record, and whoever can log in stands there. */
async function holds({ bank, phones }: World): Promise<void> {
  const now = bank.clock.clock()
  const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
  const [rec] = await bank.store.read(user, ['devices'], { now })
  const listed = readDevices(rec ?? null, now)
  expect(listed.length).toBeLessThanOrEqual(LIMIT)
  for (const { phone, ended, instance, keys } of phones) {
    if (!instance || ended) continue
    const records = await bank.store.list({ tenant: 'bank', id: `dev:${phone.clientId}` }, 'enr/', { now, limit: 50 })
    const active = records.filter(({ value }) => decodeEnrolment(value).status === 'active').map(({ key }) => key.slice(4))
    expect(new Set(active)).toEqual(new Set(keys.filter(({ removed }) => !removed).map(({ key }) => key.id)))
    if (active.length > 0) expect(listed.map(({ id }) => id)).toContain(phone.clientId)
  }
}

const which = fc.nat({ max: 2 })
const on = (name: string, step: Step) =>
  which.map((i) => ({ say: `${name} ${i}`, go: (world: World) => step(world, world.phones[i]!) }))
const always = (name: string, step: Step) => ({ say: `${name} 0`, go: (world: World) => step(world, world.phones[0]!) })
const action = fc.oneof(
  { weight: 3, arbitrary: on('start', steps.start) },
  { weight: 3, arbitrary: on('register', steps.register) },
  { weight: 4, arbitrary: on('enrol device-key', enrol('device-key')) },
  { weight: 3, arbitrary: on('enrol biometric', enrol('biometric')) },
  { weight: 3, arbitrary: on('refresh all', steps.refreshAll) },
  { weight: 4, arbitrary: on('unenrol', steps.unenrol) },
  { weight: 1, arbitrary: on('end', steps.end) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(which, fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.boolean(), fc.boolean())
      .map(([i, n, acr, wrong, fallback]) => ({
        say: `login ${i} key ${n} acr ${acr}${wrong ? ' wrong' : ''}${fallback ? ' fallback' : ''}`,
        go: (world: World) => loggedIn(world, world.phones[i]!, n, acr, wrong, fallback),
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(2, 3)
      .map((level) => ({ say: `publish level ${level}`, go: (world: World) => rule(world, level) })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1_000, 30_000, 130_000, 700_000).map((ms) => ({
      say: `wait ${ms}`,
      go: async ({ bank }: World) => bank.clock.advance(ms),
    })),
  },
)

/** Most walks begin with somebody who can log in. */
const prefix: readonly Step[] = [
  steps.start,
  steps.register,
  enrol('device-key'),
  enrol('biometric'),
  (world, held) => loggedIn(world, held, 0, 0, false, false),
  (world, held) => loggedIn(world, held, 1, 0, false, false),
]

it('I1 I2 I3 I5 hold after every step of any walk', () =>
  fc.assert(
    fc.asyncProperty(
      fc.nat({ max: prefix.length }),
      fc.array(
        action.map((one) => ({ ...one, toString: () => one.say })),
        { minLength: 5, maxLength: 25 },
      ),
      async (opened, walk) => {
        const world = await createWalk()
        for (const step of prefix.slice(0, opened)) await step(world, world.phones[0]!)
        await holds(world)
        for (const { go } of walk) {
          await go(world)
          await holds(world)
        }
      },
    ),
    {
      numRuns: Math.ceil(runs / 3),
      examples: [[prefix.length, [always('unenrol', steps.unenrol), always('refresh all', steps.refreshAll)]]],
    },
  ))
