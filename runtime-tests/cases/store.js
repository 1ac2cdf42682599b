// @ts-check

import { equal, utf8 } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { systemPorts } from '@postern/core/systemRuntime'
import { newRev } from '@postern/store'
import { recordCodec } from '@postern/store/codec'
import { memoryStore } from '@postern/store/memory'
import { dataKeys, sealed } from '@postern/store/sealed'
import { sharded, shardOf } from '@postern/store/shard'
import { storeConformance } from '@postern/testkit/conformance'
import { refuses, same } from './assert.js'

const ports = systemPorts()
const { random } = ports
const part = { tenant: 'retail', id: 'dev:d1' }
const keys = dataKeys([{ kid: '00000001', secret: new Uint8Array(32).fill(1) }])
/** @type {readonly string[]} A sealed value is 33 bytes longer, so that 65,536 do not fit. */
const tooLong = ['isolation: every byte value comes back, from none to 65,536 of them']

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'store: of fifty that redeem one code, one wins (T02)',
    async () => {
      const store = memoryStore()
      const commits = await Promise.all(
        Array.from({ length: 50 }, () =>
          store.commit(part, [{ op: 'put', key: 'code/1', value: utf8('x'), rev: null }], { now: 1, rev: newRev(random) }),
        ),
      )
      same(commits.filter(({ ok }) => ok).length, 1)
    },
  ],
  [
    'store: a bounded counter never passes its bound (A01)',
    async () => {
      const store = memoryStore()
      const commits = await Promise.all(
        Array.from({ length: 50 }, () =>
          store.commit(part, [{ op: 'add', key: 'pin/1', by: 1, max: 3 }], { now: 1, rev: newRev(random) }),
        ),
      )
      same(commits.filter(({ ok }) => ok).length, 3)
    },
  ],
  [
    'store: a key outside the alphabet is refused (H22)',
    () =>
      refuses(
        () => memoryStore().commit(part, [{ op: 'check', key: '../x}', rev: null }], { now: 1, rev: newRev(random) }),
        'store.invalid',
      ),
  ],
  [
    'store/sealed: what this runtime seals opens in JavaScript alone, and the other way round',
    async () => {
      const inner = memoryStore()
      const stores = [sealed(inner, keys, ports), sealed(inner, keys, { crypto: createNoble(), random })]
      const value = random(300)
      for (const writer of stores) {
        await writer.commit(part, [{ op: 'put', key: 'a', value }], { now: 1, rev: newRev(random) })
        for (const reader of stores) {
          const [rec] = await reader.read(part, ['a'], { now: 1 })
          same(rec !== null && rec !== undefined && equal(rec.value, value), true)
        }
      }
    },
  ],
  [
    'store/sealed: any flipped bit, and a value of another place, is store.corrupt',
    async () => {
      const inner = memoryStore()
      const store = sealed(inner, keys, ports)
      await store.commit(part, [{ op: 'put', key: 'a', value: utf8('secret') }], { now: 1, rev: newRev(random) })
      const [rec] = await inner.read(part, ['a'], { now: 1 })
      const stored = rec?.value ?? new Uint8Array(0)
      const forge = (/** @type {string} */ key, /** @type {Uint8Array} */ value) =>
        inner.commit(part, [{ op: 'put', key, value }], { now: 1, rev: newRev(random) })
      await forge('b', stored)
      await refuses(() => store.read(part, ['b'], { now: 1 }), 'store.corrupt')
      for (let bit = 0; bit < stored.length * 8; bit += 3) {
        const broken = new Uint8Array(stored)
        broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await forge('a', broken)
        await refuses(() => store.read(part, ['a'], { now: 1 }), 'store.corrupt')
      }
    },
  ],
  [
    'store/codec: a record of the schema before is read and renewed, under sealed too',
    async () => {
      const read = { 1: (/** @type {Uint8Array} */ body) => body[0] ?? 0, 2: (/** @type {Uint8Array} */ body) => body[1] ?? 0 }
      const encode = (/** @type {number} */ n, /** @type {number} */ schema) => Uint8Array.from(schema === 1 ? [n] : [0, n])
      const [before, after] = [1, 2].map((write) => recordCodec({ kind: 'n', write, read, encode }))
      const inner = memoryStore()
      const store = sealed(inner, keys, ports)
      const value = before?.encode(7) ?? new Uint8Array(0)
      await store.commit(part, [{ op: 'put', key: 'a', value }], { now: 1, rev: newRev(random) })
      same((await inner.read(part, ['a'], { now: 1 }))[0]?.value[0], 0x81)
      const opened = (await store.read(part, ['a'], { now: 1 }))[0]?.value ?? new Uint8Array(0)
      same([after?.decode(opened), after?.migrate(opened)], [7, Uint8Array.of(2, 0, 7)])
      await refuses(
        () => recordCodec({ kind: 'n', write: 1, read: { 1: read[1] }, encode }).decode(Uint8Array.of(2, 0, 7)),
        'store.schema_unknown',
      )
    },
  ],
  [
    'store/shard: a partition has the same logical shard everywhere',
    () => same([shardOf({ tenant: 'bank', id: 'u:1' }, 1024), shardOf({ tenant: 'a', id: 'b' }, 64)], [846, 27]),
  ],
  ...conformance('memory', async ({ graceMs }) => memoryStore({ graceMs })),
  ...conformance('sealed', async ({ graceMs }) => sealed(memoryStore({ graceMs }), keys, ports), { without: tooLong }),
  ...conformance('sharded', async ({ graceMs }) =>
    sharded(
      [memoryStore({ graceMs }), memoryStore({ graceMs })],
      Uint16Array.from({ length: 64 }, (_, i) => i & 1),
    ),
  ),
]

/**
 * The conformance kit over one driver, without the suites that need a rig.
 * @param {string} driver @param {Parameters<typeof storeConformance>[0]} make
 * @param {{ only?: readonly import('../suite.js').Runtime[], without?: readonly string[], skip?: readonly import('@postern/testkit/conformance').Capability[] }} [o]
 * @returns {import('../suite.js').Case[]}
 */
export function conformance(driver, make, { without = [], skip = [], ...o } = {}) {
  return storeConformance(make, { scale: 0.25, skip })
    .filter(({ name, leftOut }) => !leftOut && !without.includes(name))
    .map(({ name, run }) => [`store/${driver}: ${name}`, run, o])
}
