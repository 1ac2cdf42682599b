/// <reference types="node" />
import { createHash, createHmac } from 'node:crypto'
import { openTransaction, prepareDecision, signScan } from '@postern/authenticators/transaction/client'
import { decodeTransaction, encodeTransaction, type Transaction } from '@postern/authenticators/transaction/encoding'
import { encodeStatement, scanStatement, transactionHash } from '@postern/authenticators/transaction/evidence'
import { matchNumber } from '@postern/authenticators/transaction/number'
import { qrText } from '@postern/authenticators/transaction/qr'
import { encodeBase64url } from '@postern/core/base64url'
import { concat, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { crypto, issuer } from '../world.js'

const bytes = (n: number, fill: number) => new Uint8Array(n).fill(fill)
const full: Transaction = {
  issuer: 'https://bank.example',
  tenant: 'bank',
  client: 'portal',
  app: 'retail',
  id: bytes(16, 0xa1),
  kind: 'payment.sepa',
  display: [
    { label: 'Zahlung', value: 'Miete für März' },
    { label: 'Ref', value: '4711' },
  ],
  amount: { value: '1200.50', currency: 'CHF' },
  payee: 'CH93 0076 2011 6238 5295 7',
  created: 1_800_000_000,
  expires: 1_800_000_300,
  nonce: bytes(32, 0xb2),
  match: 1,
  origin: 'Firefox, Zürich',
  data: bytes(32, 0xc3),
}

/** A second encoder that shares nothing with the first: heads and fields written out over Buffers. */
const other = {
  head: (major: number, n: number) =>
    n < 24 ? [(major << 5) | n] : n < 256 ? [(major << 5) | 24, n] : n < 65_536 ? [(major << 5) | 25, n >> 8, n & 255] : null,
  uint: (n: number) => {
    if (n < 65_536) return Buffer.from(other.head(0, n)!)
    const out = Buffer.alloc(5, 0x1a)
    out.writeUInt32BE(n, 1)
    return out
  },
  text: (s: string) => Buffer.concat([Buffer.from(other.head(3, Buffer.byteLength(s))!), Buffer.from(s)]),
  bytes: (b: Uint8Array) => Buffer.concat([Buffer.from(other.head(2, b.length)!), b]),
  list: (...items: Buffer[]) => Buffer.concat([Buffer.from(other.head(4, items.length)!), ...items]),
  transaction(t: Transaction): Buffer {
    const { amount: a, payee, origin, data } = t
    const members: (readonly [number, Buffer])[] = [
      [0, other.uint(1)],
      [1, other.text(t.issuer)],
      [2, other.text(t.tenant)],
      [3, other.text(t.client)],
      [4, other.text(t.app)],
      [5, other.bytes(t.id)],
      [6, other.text(t.kind)],
      [7, other.list(...t.display.map((row) => other.list(other.text(row.label), other.text(row.value))))],
      ...(a ? [[8, other.list(other.text(a.value), other.text(a.currency))] as const] : []),
      ...(payee ? [[9, other.text(payee)] as const] : []),
      [10, other.uint(t.created)],
      [11, other.uint(t.expires)],
      [12, other.bytes(t.nonce)],
      [13, other.uint(t.match)],
      ...(origin ? [[14, other.text(origin)] as const] : []),
      ...(data ? [[15, other.bytes(data)] as const] : []),
    ]
    return Buffer.concat([
      Buffer.from([0xa0 | members.length]),
      ...members.flatMap(([key, value]) => [Buffer.from([key]), value]),
    ])
  },
  tuple(label: string, ...fields: (Uint8Array | string)[]): Buffer {
    const lp = (field: Uint8Array | string) => {
      const body = Buffer.from(field as Uint8Array)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(body.length)
      return Buffer.concat([length, body])
    }
    return Buffer.concat([lp(label), Buffer.from([fields.length]), ...fields.map(lp)])
  },
}
const sha256 = (b: Uint8Array) => createHash('sha256').update(b).digest('hex')

describe('txn/v1 as bytes', () => {
  it('known answers of every byte string, reproduced by an independent encoder', async () => {
    const encoded = encodeTransaction(full)
    expect(hex(encoded)).toBe(other.transaction(full).toString('hex'))
    expect(sha256(encoded)).toBe('e72b8b9bb5ab33c9d1d069c1939a7d55e9e17ea7f5e3ceb2976453c63baf4c20')
    const hash = await transactionHash(crypto, encoded)
    expect(hex(hash)).toBe(sha256(other.tuple('postern:txn/v1:transaction', encoded)))
    expect(hex(hash)).toBe('522728083396aa12cc6d8f73e39d3261332accc2365ebb6f1781ca4424dafa0e')
    const [device, enrolment, type] = ['D', 'ab'.repeat(16), 'pin']
    const statement = encodeStatement({ hash, device, enrolment, type, decision: 'approve', number: '07' })
    expect(hex(statement)).toBe(
      other.tuple('postern:txn/v1:decision', hash, device, enrolment, type, 'approve', '07').toString('hex'),
    )
    expect(sha256(statement)).toBe('8d578420a00e196e5961da94ab31843ae12875ada044be347f9ebd0008db1843')
    const { bind } = await prepareDecision(
      { transaction: full, hash, rows: [], asksNumber: true },
      { device, enrolment, type, decision: 'approve', number: '07' },
      crypto,
    )
    expect(hex(bind)).toBe(sha256(statement))
    const raw = bytes(32, 5)
    const key = await crypto.hmacKey('SHA-256', raw)
    const mac = createHmac('sha256', raw)
      .update(other.tuple('postern:txn/v1:number', 'bank', full.id))
      .digest()
    expect(await matchNumber(crypto, key, 'bank', full.id)).toBe(String(mac.readUInt32BE() % 100).padStart(2, '0'))
    expect(await matchNumber(crypto, key, 'bank', full.id)).toBe('64')
    const now = 1_800_000_000_000
    const step = Buffer.alloc(4)
    step.writeUInt32BE(120_000_000)
    const tag = createHmac('sha256', raw)
      .update(other.tuple('postern:txn/v1:qr', 'bank', full.id, step))
      .digest()
      .subarray(0, 16)
    const payload = Buffer.concat([Buffer.from([1]), full.id, step, tag])
    const text = await qrText(crypto, key, { issuer, tenant: 'bank', id: full.id, now })
    expect(text).toBe(`${issuer}/q/${payload.toString('base64url')}`)
    expect(text).toBe(`${issuer}/q/AaGhoaGhoaGhoaGhoaGhoaEHJw4AEPKh7-QGPBiR2KminZ8enA`)
    expect(hex(scanStatement('D', 'E', payload))).toBe(other.tuple('postern:txn/v1:scan', 'D', 'E', payload).toString('hex'))
  })

  it('reads back what it wrote, with every optional member and with none', () => {
    expect(decodeTransaction(encodeTransaction(full))).toEqual(full)
    const { amount: _a, payee: _p, origin: _o, data: _d, ...bare } = full
    expect(decodeTransaction(encodeTransaction(bare))).toEqual(bare)
  })

  it.each([
    ['a bidi control', { payee: 'a\u202eb' }],
    ['an Arabic letter mark', { payee: 'a\u061cb' }],
    ['a zero width space', { origin: 'a\u200bb' }],
    ['a word joiner', { origin: 'a\u2060b' }],
    ['a byte order mark', { origin: '\ufeffab' }],
    ['a line feed', { payee: 'a\nb' }],
    ['a C1 control', { payee: 'a\u0085b' }],
    ['a delete', { payee: 'a\u007fb' }],
    ['a line separator', { payee: 'a\u2028b' }],
    ['a lone surrogate', { payee: 'a\ud800' }],
    ['text that is not NFC', { payee: 'Mu\u0308ller' }],
    ['the same in a label', { display: [{ label: 'a\u202e', value: 'b' }] }],
    ['the same in a value', { display: [{ label: 'a', value: 'b\u200f' }] }],
    ['17 rows', { display: Array.from({ length: 17 }, () => ({ label: 'a', value: 'b' })) }],
    ['no row', { display: [] }],
    ['no rows', { display: null as never }],
    ['an empty row', { display: [null as never] }],
    ['a label of 65 bytes', { display: [{ label: 'a'.repeat(65), value: 'b' }] }],
    ['a value of 513 bytes', { display: [{ label: 'a', value: `${'ä'.repeat(256)}b` }] }],
    ['a payee of 129 bytes', { payee: 'a'.repeat(129) }],
    ['a payee of nothing', { payee: '' }],
    ['a kind in capitals', { kind: 'Payment' }],
    ['a kind of 65', { kind: 'a'.repeat(65) }],
    ['an amount with a leading zero', { amount: { value: '01', currency: 'CHF' } }],
    ['an amount with five decimals', { amount: { value: '1.00000', currency: 'CHF' } }],
    ['a negative amount', { amount: { value: '-1', currency: 'CHF' } }],
    ['an amount of 16 digits', { amount: { value: '1'.repeat(16), currency: 'CHF' } }],
    ['an amount with a line feed', { amount: { value: '1\n', currency: 'CHF' } }],
    ['no currency', { amount: { value: '1', currency: 'chf' } }],
    ['a life of 3,601 s', { expires: full.created + 3601 }],
    ['a life of nothing', { expires: full.created }],
    ['half a second', { created: 1.5 }],
    ['a second of NaN', { created: Number.NaN, expires: Number.NaN }],
    ['a negative second', { created: -10, expires: 5 }],
    ['an id of 15 bytes', { id: bytes(15, 1) }],
    ['a nonce of 33 bytes', { nonce: bytes(33, 1) }],
    ['a data of 31 bytes', { data: bytes(31, 1) }],
    ['a match of 2', { match: 2 as never }],
    ['a match of true', { match: true as never }],
    ['a client of 257 bytes', { client: 'c'.repeat(257) }],
    ['a tenant of nothing', { tenant: '' }],
    ['an id that is text', { id: 'a'.repeat(16) as never }],
    ['a row of numbers', { display: [{ label: 1 as never, value: 'b' }] }],
  ] as const)('A18 %s is refused by both halves', (_, change) => {
    expect(() => encodeTransaction({ ...full, ...(change as Partial<Transaction>) })).toThrow('transaction.invalid')
  })

  it('A18 bounds are met from inside: 64, 512, 128, 3,600, 16 rows, four decimals', () => {
    const edge: Transaction = {
      ...full,
      display: Array.from({ length: 16 }, () => ({ label: 'ä'.repeat(32), value: 'ä'.repeat(256) })),
      payee: 'a'.repeat(128),
      origin: 'a'.repeat(128),
      kind: 'a'.repeat(64),
      client: 'c'.repeat(256),
      amount: { value: `${'9'.repeat(15)}.9999`, currency: 'CHF' },
      expires: full.created + 3600,
    }
    expect(decodeTransaction(encodeTransaction(edge))).toEqual(edge)
    expect(encodeTransaction(edge).length).toBeLessThanOrEqual(16_384)
  })

  it('A18 any other encoding of the same content is refused', () => {
    const good = hex(encodeTransaction(full))
    const map = good.slice(2)
    const changed = (from: string, to: string) => {
      expect(good).toContain(from)
      return good.replace(from, to)
    }
    const forms: Readonly<Record<string, string>> = {
      'an indefinite map': `bf${map}ff`,
      'a longer head of the map': `b810${map}`,
      'bytes behind it': `${good}00`,
      'a tag before it': `c1${good}`,
      'a tag inside': changed('0d01', '0dc101'),
      'a float': changed('0d01', '0df93c00'),
      'a longer integer': changed('0d01', '0d1801'),
      'a key twice': `b1${map.slice(0, 4)}${map}`,
      'a key of no meaning': `b1${map}1001`,
      'a key of text': `b1${map}6161f6`,
      'a negative key': `b1${map}2001`,
      'keys out of order': `b0${map.slice(4)}0001`,
      'an indefinite text': changed('066c', '067f6c').replace('0782', 'ff0782'),
      'one byte less': good.slice(0, -2),
      'another version': changed('b00001', 'b00002'),
      'an array': '80',
      nothing: '',
      'true for 1': changed('0d01', '0df5'),
      'null for an optional member': changed('0f5820', '0ff65820'),
    }
    for (const [name, form] of Object.entries(forms))
      expect(() => decodeTransaction(fromHex(form)!), name).toThrow('transaction.invalid')
    expect(() => decodeTransaction(new Uint8Array(16_385))).toThrow('transaction.invalid')
    const deep = concat(fromHex('b000018181818181')!, bytes(3000, 0x81))
    expect(() => decodeTransaction(deep)).toThrow('transaction.invalid')
  })

  it('a transaction is copied before it is checked, and its bytes are nobody else’s', () => {
    const encoded = encodeTransaction(full)
    const read = decodeTransaction(encoded)
    encoded.fill(0)
    expect(read).toEqual(full)
    let asked = 0
    const liar = {
      ...full,
      get payee() {
        return asked++ === 0 ? 'Alice' : 'Mallory\u202e'
      },
    }
    expect(decodeTransaction(encodeTransaction(liar)).payee).toBe('Alice')
  })
})

describe('the app', () => {
  it('A18 A17 shows where it was started first, then who asks by the registered name, and exactly what is signed', async () => {
    const o = { issuer, tenant: 'bank', app: 'retail', crypto, clientName: (c: string) => (c === 'portal' ? 'E-Banking' : null) }
    const opened = await openTransaction(encodeBase64url(encodeTransaction(full)), o)
    expect(opened.rows).toEqual([
      { field: 'origin', value: 'Firefox, Zürich' },
      { field: 'client', value: 'E-Banking' },
      { field: 'kind', value: 'payment.sepa' },
      { field: 'display', label: 'Zahlung', value: 'Miete für März' },
      { field: 'display', label: 'Ref', value: '4711' },
      { field: 'amount', value: '1200.50 CHF' },
      { field: 'payee', value: 'CH93 0076 2011 6238 5295 7' },
    ])
    expect(opened.asksNumber).toBe(true)
    for (const change of [{ client: 'other' }, { tenant: 'two' }, { app: 'two' }, { issuer: 'https://other.example' }])
      await expect(openTransaction(encodeBase64url(encodeTransaction({ ...full, ...change })), o)).rejects.toThrow(
        'transaction.invalid',
      )
    await expect(openTransaction('not base64url!', o)).rejects.toThrow('transaction.invalid')
    const d = { device: 'D', enrolment: '', type: 'device' }
    for (const [decision, number] of [
      ['approve', ''],
      ['approve', '7'],
      ['approve', '٠٧'],
      ['deny', '07'],
    ] as const)
      await expect(prepareDecision(opened, { ...d, decision, number }, crypto)).rejects.toThrow('transaction.invalid')
  })

  it('A17 signs the picture of its own issuer alone', async () => {
    const o = { issuer, device: 'D', enrolment: 'E', sign: () => bytes(64, 1) }
    for (const text of [
      '',
      `${issuer}/q/`,
      `https://other.example/q/${encodeBase64url(bytes(37, 1))}`,
      `${issuer}/q/${encodeBase64url(bytes(36, 1))}`,
      `${issuer}/q/${encodeBase64url(bytes(37, 2))}`,
    ])
      await expect(signScan(text, o)).rejects.toThrow('transaction.qr_refused')
    expect(await signScan(`${issuer}/q/${encodeBase64url(bytes(37, 1))}`, o)).toMatchObject({ enrolment: 'E' })
  })
})
