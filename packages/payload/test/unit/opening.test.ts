/** Both halves of an opening, without server or client: what they agree on, and that they agree on all of it or on nothing. */
import { equal, hex } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { describe, expect, it } from 'vitest'
import { type KemId, kemPrivateKey, setupReceiver, setupSender } from '../../src/hpke.js'
import { readShare } from '../../src/internal/sessionField.js'
import {
  acceptSession,
  type Binding,
  type ClientSession,
  ekmOf,
  type OpeningCall,
  openSession,
  openSessionRequest,
  SESSION_LIMITS,
  type Session,
  type SessionLimits,
  type SessionOpening,
} from '../../src/session.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { random } from '../world.js'

const NOW = 1_772_000_000_000
const suite = { kem: 0x0020, kdf: 1, aead: 2 } as const
const binding: Binding = { jkt: 'key', ath: 'token', expiresAt: NOW + 600_000 }

interface Scene {
  readonly opening: SessionOpening
  readonly here: OpeningCall
  readonly there: OpeningCall
  readonly accept: (o?: {
    binding?: Binding | null
    limits?: Partial<SessionLimits>
    field?: string
  }) => Promise<{ session: Session; field: string } | null>
}

async function scene(crypto: CryptoPort, kem: KemId = 0x0020): Promise<Scene> {
  const ports = { crypto, random }
  const key = await kemPrivateKey(crypto, 0x0020, random(32))
  const info = random(8)
  const sender = await setupSender(ports, suite, { kem: 0x0020, bytes: key.publicKey }, info)
  const receiver = await setupReceiver(crypto, suite, key, sender.enc, info)
  const keyConfig = random(41)
  const opening = await openSession(ports, { kem, aeads: [2, 1, 3] })
  const there = { context: receiver, enc: sender.enc, keyConfig }
  return {
    opening,
    here: { context: sender.context, enc: sender.enc, keyConfig },
    there,
    accept: async ({ binding: bound = null, limits = {}, field = opening.field } = {}) =>
      acceptSession(ports, {
        share: readShare(field)!,
        call: there,
        id: random(16),
        binding: bound,
        limits: { ...SESSION_LIMITS, ...limits },
        now: NOW,
      }),
  }
}

/** Whether a call of the client's session opens in the server's. */
async function agree(crypto: CryptoPort, client: ClientSession | null, { secret, ...session }: Session): Promise<boolean> {
  if (client === null) return false
  const held = { ...session, key: await crypto.hmacKey('SHA-256', secret) }
  const sealed = await (await client.begin({ crypto, random }))!.seal(random(20))
  return (await codeOf(() => openSessionRequest(crypto, () => held, sealed))) === null
}

describe.each(backends)('an opening on $name', (crypto) => {
  it.each([0x0020, 0x0010, 0x647a] as const)(
    'with a share of KEM %i gives both ends one secret, and the terms that the server set',
    async (kem) => {
      const { opening, here, accept } = await scene(crypto, kem)
      const accepted = (await accept({ limits: { max: 7, chunkBytes: 1000, lifeMs: 90_500 } }))!
      const client = await opening.finish(here, accepted.field, null)
      expect(client).toMatchObject({ aead: 2, max: 7, chunkBytes: 1000, lifeMs: 90_000, caller: null, used: 0 })
      expect(accepted.session.expiresAt).toBe(NOW + 90_000)
      expect(await agree(crypto, client, accepted.session)).toBe(true)
    },
  )

  it('binds the caller that both ends name, and nobody where they do not', async () => {
    for (const [caller, good] of [
      [{ jkt: 'key', ath: 'token' }, true],
      [{ jkt: 'key', ath: 'another token' }, false],
      [{ jkt: 'another key', ath: 'token' }, false],
      [{ jkt: 'key', ath: null }, false],
      [null, false],
    ] as const) {
      const { opening, here, accept } = await scene(crypto)
      const { session, field } = (await accept({ binding }))!
      expect(session.expiresAt).toBe(NOW + 600_000)
      expect(await agree(crypto, await opening.finish(here, field, caller), session)).toBe(good)
    }
  })
})

describe('an opening', () => {
  const crypto = backends[0]!

  it.each<[string, (field: string) => string]>([
    ['a longer life', (field) => field.replace('exp=3600', 'exp=3601')],
    ['more calls', (field) => field.replace('max=65536', 'max=65537')],
    ['other chunks', (field) => field.replace('chunk=65536', 'chunk=65535')],
    ['another AEAD that was offered', (field) => field.replace('aead=2', 'aead=1')],
    ['another id', (field) => field.replace(/id=:..../, 'id=:AAAA')],
    ['a caller', (field) => `${field}, bound`],
    ['chunks above what is taken', (field) => field.replace('chunk=65536', 'chunk=65537')],
    ['another encapsulation', (field) => field.replace(/enc=:..../, 'enc=:AAAA')],
    ['a low-order point', (field) => field.replace(/enc=:[^:]*:/, `enc=:${'A'.repeat(43)}=:`)],
  ])('whose reply is edited to say %s opens nothing that the server holds', async (_, edit) => {
    const { opening, here, accept } = await scene(crypto)
    const { session, field } = (await accept())!
    expect(edit(field)).not.toBe(field)
    const client = await opening.finish(here, edit(field), { jkt: 'me', ath: null })
    const held = client === null ? session : { ...session, id: client.id, aead: client.aead, chunkBytes: client.chunkBytes }
    expect(await agree(crypto, client, held)).toBe(false)
  })

  it('in another call, or to another key configuration, gives another secret', async () => {
    for (const change of [
      (call: OpeningCall) => ({ ...call, enc: random(32) }),
      (call: OpeningCall) => ({ ...call, keyConfig: random(41) }),
    ]) {
      const { opening, here, accept } = await scene(crypto)
      const { session, field } = (await accept())!
      expect(await agree(crypto, await opening.finish(change(here), field, null), session)).toBe(false)
    }
    const [a, b] = [await scene(crypto), await scene(crypto)]
    const { session, field } = (await a.accept())!
    expect(await agree(crypto, await a.opening.finish(b.here, field, null), session)).toBe(false)
  })

  it.each<[string, (o: SessionLimits) => Partial<SessionLimits>, string?]>([
    ['a KEM that is not allowed', () => ({ kems: [0x0010] })],
    ['AEADs that are not allowed', () => ({ aeads: [] })],
    ['no time left', () => ({ lifeMs: 999 })],
    ['a share of low order', () => ({}), `v=1, kem=32, share=:${'A'.repeat(43)}=:, aead=(2)`],
    ['a share of another length', () => ({}), 'v=1, kem=32, share=:AAAA:, aead=(2)'],
    ['a KEM that is not known', () => ({}), `v=1, kem=99, share=:${'A'.repeat(43)}=:, aead=(2)`],
  ])('with %s is not accepted', async (_, limits, field) => {
    const { accept } = await scene(crypto)
    expect(await accept({ limits: limits(SESSION_LIMITS), ...(field === undefined ? {} : { field }) })).toBeNull()
  })

  it('ends with its calls, and when it is closed', async () => {
    const { opening, here, accept } = await scene(crypto)
    const { field } = (await accept({ limits: { max: 2 } }))!
    const client = (await opening.finish(here, field, null))!
    const ports = { crypto, random }
    expect([client.begin(ports) === null, client.begin(ports) === null, client.begin(ports) === null]).toEqual([
      false,
      false,
      true,
    ])
    const other = await scene(crypto)
    const second = (await other.opening.finish(other.here, (await other.accept())!.field, null))!
    second.close()
    expect(second.begin(ports)).toBeNull()
  })

  it('is under an exporter that covers its share: both ends have it, and another share has another', async () => {
    const { opening, here, there } = await scene(crypto)
    const ours = await ekmOf(here.context, opening.share)
    expect(equal(ours, await ekmOf(there.context, opening.share))).toBe(true)
    const others = [new Uint8Array(0), random(34), opening.share.slice(0, -1)]
    expect(new Set([ours, ...(await Promise.all(others.map((share) => ekmOf(there.context, share))))].map(hex)).size).toBe(4)
  })
})
