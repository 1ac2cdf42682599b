/** Keys that live in the store: they turn while the platform runs, a restore ends what was sealed before it, and `ready` says what is missing. */
import { createKeyRingDocument } from '@postern/core/keyRing'
import { createPlatform } from '@postern/platform'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { createKeys, keysInStore, rotateKeys } from '@postern/tokens/keys'
import { finishEpoch, raiseEpoch } from '@postern/tokens/restoreEpoch'
import { describe, expect, it } from 'vitest'
import { ACR, type Answer, bankPolicy, createBank, crypto } from '../support/bank.js'
import { PIN, withPin } from '../support/people.js'

const LEAD_MS = 3_600_000

/** A bank whose keys are in its store. */
async function keptBank() {
  const masterKeys = [new Uint8Array(32).fill(7)] as const
  const ports = simPorts({ seed: 7, start: Date.UTC(2026, 0, 5, 9) })
  const document = await createKeyRingDocument({ ...ports, crypto })
  const bank = await createBank(
    {},
    {
      keysFrom: async (runtime) => {
        const kept = { runtime, tenant: 'bank', masterKeys }
        await createKeys(kept, { document })
        return keysInStore(kept)
      },
    },
  )
  return { bank, kept: { runtime: { ...bank.ports, crypto, store: bank.store }, tenant: 'bank', masterKeys } as const }
}

const kidOf = (token: unknown): string =>
  (JSON.parse(Buffer.from(String(token).split('.')[0]!, 'base64url').toString()) as { kid: string }).kid

async function tokensByPin(person: Awaited<ReturnType<typeof withPin>>): Promise<Answer> {
  const login = await person.phone.loginPin(PIN, person.slot)
  return person.phone.token(String(login.body['authorization_code']))
}

describe('keys in the store', () => {
  it('turn while the platform runs, and sessions go on', async () => {
    const { bank, kept } = await keptBank()
    const person = await withPin(bank)
    const before = await tokensByPin(person)
    const { kid } = await rotateKeys(kept, 'signing')
    for (const ring of ['short', 'long'] as const) await rotateKeys(kept, ring)
    bank.clock.advance(61_000)
    const jwks = (await (await bank.call('/jwks')).json()) as { keys: { kid: string }[] }
    expect(jwks.keys.map((key) => key.kid)).toContain(kid)
    expect(kidOf((await tokensByPin(person)).body['access_token'])).not.toBe(kid)
    bank.clock.advance(LEAD_MS)
    const refreshed = await person.phone.refresh(String(before.body['refresh_token']))
    expect(refreshed.status).toBe(200)
    expect(kidOf((await tokensByPin(person)).body['access_token'])).toBe(kid)
    expect(await bank.platform.ready()).toEqual({ ready: true, missing: [] })
  })

  it('of a tenant that was restored: nothing from before opens, a PIN has one try until it is right, and the node is not ready until all is re-applied', async () => {
    const { bank, kept } = await keptBank()
    const person = await withPin(bank)
    const before = await tokensByPin(person)
    const unused = await person.phone.loginPin(PIN, person.slot)
    const guessed = await withPin(bank, 3)
    const { id } = await raiseEpoch(kept)
    bank.clock.advance(61_000)
    expect(await bank.platform.ready()).toEqual({ ready: false, missing: ['restore'] })
    expect((await person.phone.refresh(String(before.body['refresh_token']))).body).not.toHaveProperty('access_token')
    expect((await person.phone.token(String(unused.body['authorization_code']))).body).not.toHaveProperty('access_token')
    const other = await withPin(bank, 2)
    await guessed.phone.loginPin('11111', guessed.slot)
    expect((await guessed.phone.loginPin(PIN, guessed.slot)).body).not.toHaveProperty('authorization_code')
    expect((await tokensByPin(person)).body).toHaveProperty('access_token')
    await finishEpoch(kept, id)
    bank.clock.advance(61_000)
    expect(await bank.platform.ready()).toEqual({ ready: true, missing: [] })
    expect((await tokensByPin(other)).body).toHaveProperty('access_token')
  })
})

describe('a node that is not ready', () => {
  it('says that its store is away, that its clock is not the database’s, and that nobody has made keys', async () => {
    const memory = memoryStore()
    let away = false
    let offMs = 0
    const ports = simPorts({ seed: 3 })
    const gone = async () => Promise.reject(new Error('away'))
    const store: Store = {
      ...memory,
      read: (...args) => (away ? gone() : memory.read(...args)),
      list: (...args) => (away ? gone() : memory.list(...args)),
      time: async () => ports.clock() + offMs,
    }
    const runtime = { ...ports, crypto, store }
    const kept = { runtime, tenant: 'bank', masterKeys: [new Uint8Array(32)] as const }
    const options = {
      issuer: 'https://bank.example',
      tenant: 'bank',
      runtime,
      acr: ACR,
      resources: {},
      scopes: [],
      policy: bankPolicy,
    }
    await expect(createPlatform({ ...options, keys: keysInStore(kept) })).rejects.toMatchObject({ code: 'keys.none_active' })
    await createKeys(kept)
    const platform = await createPlatform({ ...options, keys: keysInStore(kept) })
    expect(await platform.ready()).toEqual({ ready: true, missing: [] })
    offMs = 31_000
    expect(await platform.ready()).toEqual({ ready: false, missing: ['clock'] })
    offMs = 0
    away = true
    ports.time.advance(61_000)
    const { ready, missing } = await platform.ready()
    expect([ready, missing.includes('store'), missing.includes('keys')]).toEqual([false, true, false])
    // The keys that it has serve on for as long as a rotation leads; then it has none to rely on.
    ports.time.advance(LEAD_MS)
    expect((await platform.ready()).missing).toContain('keys')
    expect((await platform.fetch(new Request('https://bank.example/jwks'))).status).toBeGreaterThanOrEqual(500)
    // At the host's root it answers for its own paths, and leaves the host's to the host.
    const metadata = await platform.wellKnown(new Request('https://bank.example/.well-known/openid-configuration'))
    expect(metadata?.status).toBeGreaterThanOrEqual(500)
    expect(await platform.wellKnown(new Request('https://bank.example/about'))).toBeNull()
  })
})
