import { acceptShortKey, hotp, hotpCounter } from '@postern/authenticators/otp/hotp'
import { ocra, ocraCounter, parseOcraSuite } from '@postern/authenticators/otp/ocra'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256 } from '@postern/authenticators/otp/sha2'
import { totp, totpStep, totpStepAt } from '@postern/authenticators/otp/totp'
import { formatOtpauth, parseOtpauth } from '@postern/authenticators/otp/uri'
import { utf8 } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'

const key = utf8('12345678901234567890')
const now = 1_800_000_000_000
const threw = (work: () => unknown): string => {
  try {
    work()
    return 'ok'
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name
  }
}

describe('HOTP and TOTP', () => {
  it('a secret of 15 bytes is refused unless the host says otherwise; one of 129 always', () => {
    const short = key.slice(0, 15)
    expect(threw(() => hotp(short, 0n))).toBe('otp.key_length')
    expect(hotp(short, 0n, 6, { [acceptShortKey]: true })).toHaveLength(6)
    expect(threw(() => hotp(new Uint8Array(0), 0n, 6, { [acceptShortKey]: true }))).toBe('otp.key_length')
    expect(threw(() => hotp(new Uint8Array(129), 0n, 6, { [acceptShortKey]: true }))).toBe('otp.key_length')
    expect(threw(() => totpStep({ key: short, code: '000000', now, after: -1n }))).toBe('otp.key_length')
  })

  it('counters end at 2^64 - 1', () => {
    expect(hotp(key, (1n << 64n) - 1n)).toMatch(/^\d{6}$/)
    expect(threw(() => hotp(key, 1n << 64n))).toBe('otp.counter')
    expect(threw(() => hotp(key, -1n))).toBe('otp.counter')
    expect(threw(() => hotpCounter({ key, code: '000000', after: (1n << 64n) - 3n }))).toBe('otp.counter')
  })

  it('codes keep their leading zeros, at each length', () => {
    const found = Array.from({ length: 200 }, (_, i) => hotp(key, BigInt(i))).find((code) => code.startsWith('0'))!
    expect(found).toHaveLength(6)
    for (const digits of [6, 7, 8] as const) expect(hotp(key, 5n, digits)).toHaveLength(digits)
    expect(hotp(key, 5n, 8).endsWith(hotp(key, 5n, 6))).toBe(true)
  })

  const code = totp(key, { now })
  it.each([
    ['with a blank in the middle', `${code.slice(0, 3)} ${code.slice(3)}`],
    ['with a blank behind', `${code} `],
    ['one digit short', code.slice(1)],
    ['one digit long', `${code}0`],
    ['in full-width digits', code.replace(/\d/g, (d) => String.fromCharCode(0xff10 + Number(d)))],
    ['in Arabic-Indic digits', code.replace(/\d/g, (d) => String.fromCharCode(0x660 + Number(d)))],
    ['with a sign', `+${code.slice(1)}`],
    ['in exponent form', '1e0005'],
    ['empty', ''],
  ])('a code %s is none', (_, written) => {
    expect(totpStep({ key, code: written, now, after: -1n })).toBe(null)
    expect(totpStep({ key, code, now, after: -1n })).toBe(totpStepAt(now))
  })

  it('the window reaches one step to either side, and a used step and all before it are spent', () => {
    const step = totpStepAt(now)
    for (const [shift, hit] of [
      [-2, null],
      [-1, step - 1n],
      [0, step],
      [1, step + 1n],
      [2, null],
    ] as const)
      expect(totpStep({ key, code: totp(key, { now: now + shift * 30_000 }), now, after: -1n })).toBe(hit)
    expect(totpStep({ key, code, now, after: step })).toBe(null)
    expect(totpStep({ key, code, now, after: step - 1n })).toBe(step)
    expect(totpStep({ key, code: totp(key, { now: now - 30_000 }), now, after: step })).toBe(null)
  })

  it('of two steps with the same code the later one is used up', () => {
    const constant = { name: 'SHA1', bytes: 20, keyed: () => () => new Uint8Array(20) } as const
    expect(totpStep({ key, code: '000000', now, after: -1n, hash: constant })).toBe(totpStepAt(now) + 1n)
  })

  it('every HMAC of the window is computed, whichever step fits, and for a code that is none', () => {
    let macs = 0
    const counting = {
      ...sha1,
      keyed(raw: Uint8Array) {
        const keyed = sha1.keyed(raw)
        return (message: Uint8Array) => {
          macs++
          return keyed(message)
        }
      },
    }
    for (const typed of [code, totp(key, { now: now - 30_000 }), '000000', 'x', '']) {
      macs = 0
      totpStep({ key, code: typed, now, after: -1n, hash: counting })
      expect(macs).toBe(3)
      macs = 0
      hotpCounter({ key, code: typed, after: 4n, hash: counting })
      expect(macs).toBe(6)
    }
  })

  it('windows, look-aheads and periods out of range are the host’s mistake', () => {
    expect(threw(() => totpStep({ key, code, now, after: -1n, window: 11 }))).toBe('RangeError')
    expect(threw(() => totpStep({ key, code, now, after: -1n, window: 0.5 }))).toBe('RangeError')
    expect(threw(() => hotpCounter({ key, code, after: -1n, lookAhead: -1 }))).toBe('RangeError')
    expect(threw(() => totp(key, { now, periodSec: 0 }))).toBe('RangeError')
    expect(threw(() => totp(key, { now: -1 }))).toBe('otp.counter')
  })
})

describe('otpauth URIs', () => {
  const full = { type: 'totp', secret: key, issuer: 'ACME Co', account: 'john.doe@email.com' } as const

  it('are written as the format says', () => {
    expect(formatOtpauth(full)).toBe(
      'otpauth://totp/ACME%20Co:john.doe%40email.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30',
    )
    expect(formatOtpauth({ ...full, type: 'hotp', issuer: '', counter: 7n })).toBe(
      'otpauth://hotp/john.doe%40email.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&counter=7',
    )
    expect(threw(() => formatOtpauth({ ...full, issuer: 'A:B' }))).toBe('otp.uri')
    expect(threw(() => formatOtpauth({ ...full, account: 'a%3Ab' }))).toBe('otp.uri')
    expect(threw(() => formatOtpauth({ ...full, issuer: '\ud83d', account: '\ude00' }))).toBe('otp.uri')
  })

  it.each(['.', '..'])('an account named %s is no step in a path', (account) => {
    expect(parseOtpauth(formatOtpauth({ ...full, issuer: '', account })).account).toBe(account)
  })

  it('defaults, an escaped colon, blanks, padding, lower case and foreign parameters are read', () => {
    const read = parseOtpauth('otpauth://totp/Big%3A%20alice?secret=gezdgnbvgy3tqojqge======&image=x')
    expect(read).toMatchObject({ issuer: 'Big', account: 'alice', hash: 'SHA1', digits: 6, periodSec: 30 })
    expect(read.secret).toEqual(utf8('12345678901'))
  })

  it.each([
    ['another scheme', 'https://totp/a?secret=GEZDGNBV'],
    ['another type', 'otpauth://motp/a?secret=GEZDGNBV'],
    ['a type with a port', 'otpauth://totp:1/a?secret=GEZDGNBV'],
    ['a type with a user', 'otpauth://me@totp/a?secret=GEZDGNBV'],
    ['a blank before it', ' otpauth://totp/a?secret=GEZDGNBV'],
    ['no secret', 'otpauth://totp/a?digits=6'],
    ['a secret that is no base32', 'otpauth://totp/a?secret=GEZDGNB1'],
    ['a secret with bits to spare', 'otpauth://totp/a?secret=GF'],
    ['two secrets', 'otpauth://totp/a?secret=GEZDGNBV&secret=GEZDGNBV'],
    ['two issuers', 'otpauth://totp/A:a?secret=GEZDGNBV&issuer=B'],
    ['an unknown hash', 'otpauth://totp/a?secret=GEZDGNBV&algorithm=MD5'],
    ['five digits', 'otpauth://totp/a?secret=GEZDGNBV&digits=5'],
    ['digits in hexadecimal', 'otpauth://totp/a?secret=GEZDGNBV&digits=0x6'],
    ['no counter', 'otpauth://hotp/a?secret=GEZDGNBV'],
    ['a broken escape', 'otpauth://totp/%E0%A4%A?secret=GEZDGNBV'],
    ['too long', `otpauth://totp/${'a'.repeat(2048)}?secret=GEZDGNBV`],
    ['no URI', 'x'],
  ])('%s is refused', (_, uri) => expect(threw(() => parseOtpauth(uri))).toBe('otp.uri'))
})

describe('OCRA', () => {
  it('reads what RFC 6287 §6 writes', () => {
    expect(parseOcraSuite('OCRA-1:HOTP-SHA512-8:C-QH64-PSHA256-S064-T20S')).toMatchObject({
      hash: 'SHA512',
      digits: 8,
      counter: true,
      question: { format: 'H', max: 64 },
      pin: 'SHA256',
      sessionBytes: 64,
      stepSec: 20,
    })
    expect(parseOcraSuite('OCRA-1:HOTP-SHA1-0:QA04-T48H')).toMatchObject({ digits: 0, counter: false, stepSec: 172_800 })
  })

  it.each([
    'OCRA-2:HOTP-SHA1-6:QN08',
    'OCRA-1:HOTP-SHA224-6:QN08',
    'OCRA-1:HOTP-SHA1-3:QN08',
    'OCRA-1:HOTP-SHA1-11:QN08',
    'OCRA-1:HOTP-SHA1-06:QN08',
    'OCRA-1:HOTP-SHA1-6:QN03',
    'OCRA-1:HOTP-SHA1-6:QN65',
    'OCRA-1:HOTP-SHA1-6:QN8',
    'OCRA-1:HOTP-SHA1-6:QB08',
    'OCRA-1:HOTP-SHA1-6:C',
    'OCRA-1:HOTP-SHA1-6:QN08-C',
    'OCRA-1:HOTP-SHA1-6:QN08-S',
    'OCRA-1:HOTP-SHA1-6:QN08-S000',
    'OCRA-1:HOTP-SHA1-6:QN08-S513',
    'OCRA-1:HOTP-SHA1-6:QN08-T0M',
    'OCRA-1:HOTP-SHA1-6:QN08-T60M',
    'OCRA-1:HOTP-SHA1-6:QN08-T49H',
    'OCRA-1:HOTP-SHA1-6:QN08-T1M-PSHA1',
    'OCRA-1:HOTP-SHA1-6:QN08-MD5',
    ' OCRA-1:HOTP-SHA1-6:QN08',
    'ocra-1:hotp-sha1-6:qn08',
    '',
  ])('%s is no suite', (text) => expect(threw(() => parseOcraSuite(text))).toBe('otp.suite'))

  it('takes exactly what its suite names', () => {
    const suite = parseOcraSuite('OCRA-1:HOTP-SHA1-6:C-QN08-PSHA1-S010-T1M')
    const o = { suite, key }
    const input = { question: '12345678', counter: 1n, pinHash: new Uint8Array(20), session: utf8('abc'), step: 1n }
    expect(ocra(o, input)).toHaveLength(6)
    for (const name of ['counter', 'pinHash', 'session', 'step'] as const) {
      const { [name]: _, ...rest } = input
      expect(threw(() => ocra(o, rest))).toBe('otp.suite')
      const bare = parseOcraSuite('OCRA-1:HOTP-SHA1-6:QN08')
      expect(threw(() => ocra({ suite: bare, key }, { question: '12345678', [name]: input[name] }))).toBe('otp.suite')
    }
    expect(threw(() => ocra(o, { ...input, pinHash: new Uint8Array(32) }))).toBe('otp.suite')
    expect(threw(() => ocra(o, { ...input, session: new Uint8Array(11) }))).toBe('otp.suite')
    expect(threw(() => ocra({ ...o, hash: sha256 }, input))).toBe('otp.suite')
    for (const question of ['', '1234567a', '12345678901234567', '１２３４'])
      expect(threw(() => ocra(o, { ...input, question }))).toBe('otp.suite')
  })

  it('without truncation the code is the whole HMAC', () => {
    const suite = parseOcraSuite('OCRA-1:HOTP-SHA1-0:QH10')
    const code = ocra({ suite, key }, { question: 'ABCDEF0123' })
    expect(code).toMatch(/^[0-9a-f]{40}$/)
    const asked = { suite, key, input: { question: 'ABCDEF0123' }, after: -1n, now }
    expect(ocraCounter({ ...asked, code })).toBe(0n)
    expect(ocraCounter({ ...asked, code: code.toUpperCase() })).toBe(null)
  })

  it('counters and time steps are searched together, and never behind what was used', () => {
    const suite = parseOcraSuite('OCRA-1:HOTP-SHA1-6:C-QN08-T1M')
    const step = BigInt(Math.floor(now / 60_000))
    const input = { question: '12345678' }
    const at = (counter: bigint, time: bigint) => ocra({ suite, key }, { ...input, counter, step: time })
    const find = (code: string) => ocraCounter({ suite, key, code, input, after: 10n, now })
    expect(find(at(11n, step))).toBe(11n)
    expect(find(at(16n, step + 1n))).toBe(16n)
    expect(find(at(10n, step))).toBe(null)
    expect(find(at(17n, step))).toBe(null)
    expect(find(at(11n, step - 2n))).toBe(null)
    expect(threw(() => ocraCounter({ suite, key, code: '', input, after: 10n, now, lookAhead: 11 }))).toBe('RangeError')
  })
})
