// @ts-check
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { dataKeys, sealed } from '@postern/store/sealed'
import { compare, timed } from './measure.js'

const COUNT = 1000
const now = 1_767_225_600_000
const rev = 'AAAAAAAAAAAAAAAA'
const value = new Uint8Array(300).fill(7)
const crypto = createCrypto()
const { random } = systemPorts()
const secret = random(32)
const keys = dataKeys([{ kid: '00000001', secret }])
const peerName = 'crypto port: HMAC-SHA-256, key, AES-256-GCM of 300 B'

/** Sealing and opening 300 bytes, over a driver that costs nothing, against the primitives alone. */
export async function sealedCases() {
  /** @type {Uint8Array} */ let kept = value
  /** @type {import('@postern/store').Store} */
  const nothing = {
    guarantees: { durable: 'none', failover: 'none' },
    read: async (_, [key = '']) => [{ key, value: kept, n: 0, rev, expiresAt: 0 }],
    async commit(_, ops) {
      const recs = ops.map((op) => {
        if (op.op === 'put') kept = op.value
        return { key: op.key, value: kept, n: 0, rev, expiresAt: 0 }
      })
      return { ok: true, recs }
    },
    list: async () => [],
    close: async () => {},
  }
  const store = sealed(nothing, keys, { crypto, random })
  const master = await crypto.hmacKey('SHA-256', secret)
  const context = new Uint8Array(30)
  const aad = new Uint8Array(40)
  const nonce = random(12)
  const key = await crypto.aeadKey('A256GCM', await crypto.hmac(master, context))
  const sealedValue = await crypto.seal(key, nonce, aad, value)

  /** @param {(i: number) => Promise<unknown>} one */
  const rounds = (one) => () =>
    timed(COUNT, async () => {
      for (let i = 0; i < COUNT; i++) await one(i)
    })
  let parts = 0
  const commit = rounds(() =>
    store.commit({ tenant: 'bank', id: `u:${++parts}` }, [{ op: 'put', key: 'fam/1', value, rev: null }], { now, rev }),
  )
  const sealing = rounds(async () =>
    crypto.seal(await crypto.aeadKey('A256GCM', await crypto.hmac(master, context)), random(12), aad, value),
  )
  const hot = { tenant: 'bank', id: 'u:1' }
  const commitHot = rounds(() => store.commit(hot, [{ op: 'put', key: 'fam/1', value, rev: null }], { now, rev }))
  const read = rounds(() => store.read(hot, ['fam/1'], { now }))
  const opening = rounds(async () =>
    crypto.open(await crypto.aeadKey('A256GCM', await crypto.hmac(master, context)), nonce, aad, sealedValue),
  )
  const note = { crypto: crypto.name, overhead_bytes: 33 }
  const lines = []
  for (const [name, postern, peer] of /** @type {const} */ ([
    ['sealed.300', commit, sealing],
    ['sealed.300.hot', commitHot, sealing],
    ['sealed.300.read', read, opening],
  ])) {
    const line = await compare(name, { postern, peer, peerName, note, rounds: 75 })
    lines.push({ ...line, limit_us: line.peer_us })
  }
  return lines
}
