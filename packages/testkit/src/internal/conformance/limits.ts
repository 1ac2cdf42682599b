/** The limits of the contract: what breaks one is refused before anything happens. */
import type { Op, Part } from '@postern/store'
import { equal, refused } from '../check.js'
import { bytes, NOW, PART, type Suite } from './kit.js'

const REV = 'AAAAAAAAAAAAAAAA'
const PUT: Op = { op: 'put', key: 'a', value: bytes('a') }

const KEYS = ['', 'a'.repeat(201), 'A', 'a b', 'a}', '{a', 'a\0', 'é', 'a%2e', 'a\\b', 'a:b', 'a*', "a'", 'a\n']
const TENANTS = ['', 'a'.repeat(64), 'Bank', 'a/b', '..', 'a:b', 'a b', 'a\0', 'a}', '../a', 'a\n']
const IDS = ['', 'a'.repeat(129), 'a/b', '../a', '..;/a', '%2e%2e', 'a b', 'a\0', '{a}', 'é', 'a\n']
const REVS = ['', 'short', `${REV}A`, 'AAAAAAAAAAAAAAA=', 'AAAAAAAAAAAAAAA ', 'AAAAAAAAAAAAAAA+']
const NUMBERS = [Number.NaN, -0, 2 ** 53, -(2 ** 53), 0.5, Number.POSITIVE_INFINITY, '1', null, 1n]

/** Ops that break one rule each. */
const OPS: readonly (readonly [string, unknown])[] = [
  ...KEYS.map((key) => [`the key ${JSON.stringify(key)}`, { ...PUT, key }] as const),
  ...REVS.flatMap((rev) => [
    [`put rev ${JSON.stringify(rev)}`, { ...PUT, rev }] as const,
    [`check rev ${JSON.stringify(rev)}`, { op: 'check', key: 'a', rev }] as const,
    [`del rev ${JSON.stringify(rev)}`, { op: 'del', key: 'a', rev }] as const,
  ]),
  ...NUMBERS.flatMap((number) => [
    [`by ${String(number)}`, { op: 'add', key: 'a', by: number, max: 9 }] as const,
    [`max ${String(number)}`, { op: 'add', key: 'a', by: 1, max: number }] as const,
    [`expiresAt ${String(number)}`, { ...PUT, expiresAt: number }] as const,
  ]),
  ['by 0', { op: 'add', key: 'a', by: 0, max: 9 }],
  ['a value of 65,537 bytes', { ...PUT, value: new Uint8Array(65_537) }],
  ['a value that is text', { ...PUT, value: 'a' }],
  ['a value that is an array', { ...PUT, value: [1] }],
  ['a del with rev null', { op: 'del', key: 'a', rev: null }],
  ['a check without rev', { op: 'check', key: 'a' }],
  ['no op at all', null],
  ['a hole', undefined],
  ['an unknown op', { op: 'set', key: 'a', value: bytes('a') }],
]

export const limitSuite: Suite = (kit) => [
  {
    name: 'limits: an op that breaks a rule is refused, and its commit leaves nothing behind',
    run: () =>
      kit.over(async (store) => {
        for (const [what, op] of OPS) {
          const ops = [{ ...PUT, key: 'before' }, op as Op]
          await refused('store.invalid', what, () => store.commit(PART, ops, { now: NOW, rev: REV }))
        }
        equal(await store.read(PART, ['a', 'before'], { now: NOW }), [null, null], 'what is there')
      }),
  },
  {
    name: 'limits: a commit has 1 to 16 ops over distinct keys',
    run: () =>
      kit.over(async (store) => {
        const many = Array.from({ length: 17 }, (_, i): Op => ({ ...PUT, key: `k${i}` }) as Op)
        for (const ops of [[], many, [PUT, PUT], [PUT, { op: 'del', key: 'a' } as const]])
          await refused('store.invalid', `${ops.length} ops`, () => store.commit(PART, ops, { now: NOW, rev: REV }))
        equal((await store.commit(PART, many.slice(1), { now: NOW, rev: REV })).ok, true, '16 ops')
      }),
  },
  {
    name: 'limits: tenants and partitions outside the alphabet are refused everywhere (H22 path traversal)',
    run: () =>
      kit.over(async (store) => {
        const parts: readonly Part[] = [...TENANTS.map((tenant) => ({ ...PART, tenant })), ...IDS.map((id) => ({ ...PART, id }))]
        for (const part of parts) {
          const what = JSON.stringify(part)
          await refused('store.invalid', `commit ${what}`, () => store.commit(part, [PUT], { now: NOW, rev: REV }))
          await refused('store.invalid', `read ${what}`, () => store.read(part, ['a'], { now: NOW }))
          if (kit.lists) await refused('store.invalid', `list ${what}`, () => store.list(part, '', { now: NOW, limit: 1 }))
        }
      }),
  },
  {
    name: 'limits: revs, times, keys and pages of the wrong form are refused',
    run: () =>
      kit.over(async (store) => {
        for (const rev of REVS) await refused('store.invalid', `rev ${rev}`, () => store.commit(PART, [PUT], { now: NOW, rev }))
        for (const number of NUMBERS) {
          const now = number as number
          await refused('store.invalid', `commit at ${String(now)}`, () => store.commit(PART, [PUT], { now, rev: REV }))
          await refused('store.invalid', `read at ${String(now)}`, () => store.read(PART, ['a'], { now }))
          if (kit.lists)
            await refused('store.invalid', `limit ${String(now)}`, () => store.list(PART, '', { now: NOW, limit: now }))
        }
        for (const limit of [0, -1, 1001])
          if (kit.lists) await refused('store.invalid', `limit ${limit}`, () => store.list(PART, '', { now: NOW, limit }))
        for (const key of KEYS) await refused('store.invalid', `read ${key}`, () => store.read(PART, [key], { now: NOW }))
        for (const prefix of KEYS.slice(1))
          if (kit.lists) await refused('store.invalid', `list ${prefix}`, () => store.list(PART, prefix, { now: NOW, limit: 1 }))
      }),
  },
  {
    name: 'limits: what is committed is what was there at the call, whatever getters and callers do later',
    run: () =>
      kit.over(async (store) => {
        let asked = 0
        const shifty = {
          op: 'put' as const,
          get key() {
            return asked++ === 0 ? 'first' : '../second'
          },
          value: bytes('a'),
        }
        const ops: Op[] = [shifty]
        const committed = store.commit(PART, ops, { now: NOW, rev: REV })
        ops[0] = { op: 'put', key: 'other', value: bytes('b') }
        await committed
        equal(
          (await store.read(PART, ['first', 'other'], { now: NOW })).map((rec) => rec?.key ?? null),
          ['first', null],
          'the keys',
        )
        equal(asked, 1, 'how often the key was asked for')
      }),
  },
  {
    name: 'limits: an error names no key, no id and no value',
    run: () =>
      kit.over(async (store) => {
        const part = { tenant: 'bank', id: 'secret/user' }
        const ops: readonly Op[] = [{ op: 'put', key: 'Secret-key', value: bytes('secret-value') }]
        for (const call of [
          () => store.commit(part, [PUT], { now: NOW, rev: REV }),
          () => store.commit(PART, ops, { now: NOW, rev: REV }),
        ]) {
          const error = await refused('store.invalid', 'the call', call)
          equal(/secret/i.test(`${error} ${JSON.stringify(error)}`), false, 'an error that tells a secret')
        }
      }),
  },
  {
    name: 'limits: a closed store says so, and closing twice is no error',
    run: () =>
      kit.over(async (store) => {
        await store.close()
        await refused('store.closed', 'commit', () => store.commit(PART, [PUT], { now: NOW, rev: REV }))
        await refused('store.closed', 'read', () => store.read(PART, ['a'], { now: NOW }))
        if (kit.lists) await refused('store.closed', 'list', () => store.list(PART, '', { now: NOW, limit: 1 }))
      }),
  },
]
