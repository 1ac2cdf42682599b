import { parseJson } from '@postern/core/json'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support.js'

const code = (text: string | Uint8Array, limits?: Parameters<typeof parseJson>[1]) => codeOf(() => parseJson(text, limits))

describe('parseJson', () => {
  it('reads every kind of value', () => {
    expect(parseJson(' {"a":[1,-2.5e3,true,false,null,"x\\n\\u00e9\\ud83d\\ude00/\\/"],"b":{}}\r\n\t')).toEqual({
      a: [1, -2500, true, false, null, 'x\né😀//'],
      b: {},
    })
    expect(parseJson(new TextEncoder().encode('"ü"'))).toBe('ü')
    expect(parseJson('0')).toBe(0)
  })

  it('gives objects without prototype', () => {
    const value = parseJson('{"a":{}}') as { a: object }
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(Object.getPrototypeOf(value.a)).toBeNull()
    expect('toString' in value).toBe(false)
  })

  it.each([
    '',
    ' ',
    '{',
    '}',
    '[',
    ']',
    '[1,]',
    '[,1]',
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    "{'a':1}",
    '{"a" 1}',
    '[1 2]',
    '1 2',
    'nul',
    'nulll',
    'True',
    'NaN',
    'Infinity',
    '-Infinity',
    'undefined',
    '01',
    '-01',
    '1.',
    '.5',
    '+1',
    '1e',
    '1e+',
    '0x10',
    '1_0',
    '- 1',
    '"',
    '"a',
    '"\\',
    '"\\u12',
    '"\\u12g4"',
    '"\\u 123"',
    '"\\x41"',
    '"\\',
    '"\\constructor"',
    '"a\tb"',
    '"a\nb"',
    '"\u0000"',
    '"\u001f"',
    '/**/1',
    '1//',
    '\u00a01',
    '\v1',
    '[1]]',
    '{"a":1}}',
    '\u2028',
  ])('refuses %j, which is not JSON', (text) => {
    expect(code(text)).toBe('json.malformed')
  })

  it('accepts what looks odd and is JSON: DEL, U+2028 in strings, an empty name', () => {
    expect(parseJson('{"":"\u007f\u2028"}')).toEqual({ '': '\u007f\u2028' })
  })

  it('H02 depth bomb: 100,000 levels are refused at the 33rd, arrays and objects alike, closed or not', () => {
    const started = performance.now()
    for (const bomb of ['['.repeat(100_000), '['.repeat(100_000) + ']'.repeat(100_000), '{"a":'.repeat(100_000)]) {
      expect(code(bomb, { maxBytes: 1_000_000 })).toBe('json.too_large')
    }
    expect(performance.now() - started).toBeLessThan(1000)
    expect(code('['.repeat(32) + ']'.repeat(32))).toBeNull()
    expect(code('['.repeat(33) + ']'.repeat(33))).toBe('json.too_large')
    expect(code('[1]', { maxDepth: 0 })).toBe('json.too_large')
    expect(code('1', { maxDepth: 0 })).toBeNull()
  })

  it.each(['__proto__', 'constructor', 'prototype'])('H03 H04 the member %s is refused, escaped or nested too', (name) => {
    const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`
    for (const text of [`{"${name}":1}`, `{"${escaped}":{"a":1}}`, `[{"a":{"${name}":{"prototype":1}}}]`])
      expect(code(text)).toBe('json.malformed')
    expect(parseJson(`["${name}"]`)).toEqual([name])
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })

  it('H06 duplicate members are refused, however the second is escaped', () => {
    for (const text of ['{"a":1,"a":1}', '{"a":1,"b":2,"\\u0061":3}', '{"":1,"":2}', '[{"x":{"k":1,"k":2}}]', '{"1":0,"1":0}'])
      expect(code(text)).toBe('json.malformed')
    expect(code('{"a":{"a":1},"A":2}')).toBeNull()
  })

  it.each([
    ['invalid UTF-8', [0x22, 0xff, 0x22]],
    ['a truncated sequence', [0x22, 0xc3, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['an overlong quote outside a string', [0xe0, 0x80, 0xa2, 0x31, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a code point above U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x31]],
    ['UTF-16', [0x31, 0x00]],
  ])('H07 %s is refused', (_, bytes) => {
    expect(code(Uint8Array.from(bytes))).toBe('json.malformed')
  })

  it('H07 a byte order mark and lone surrogates in text are refused, raw and escaped', () => {
    for (const text of [
      '\ufeff1',
      '"\ud800"',
      '"\udc00"',
      '"\\ud800"',
      '"\\udc00"',
      '"\\udc00\\ud800"',
      '"\\ud83d\ud83d\ude00"',
      '"\ud83d\ude00\\ude00"',
      '"\\ud83dx\\ude00"',
      '{"\\ud800":1}',
      '"\ud83d\\ude00"',
    ]) {
      expect(code(text)).toBe('json.malformed')
    }
    expect(parseJson('"\\ud83d\\ude00"')).toBe('😀')
  })

  it('H17 hash-flood keys: members and elements together are bounded, and many of them stay fast', () => {
    const object = (n: number) => `{${Array.from({ length: n }, (_, i) => `"k${i}":0`).join()}}`
    expect(code(object(10_001), { maxBytes: 1e6 })).toBe('json.too_large')
    expect(code(object(10_000), { maxBytes: 1e6 })).toBeNull()
    expect(code('[[1,2],{"a":3}]', { maxMembers: 4 })).toBe('json.too_large')
    expect(code('[[1,2],{"a":3}]', { maxMembers: 5 })).toBeNull()
    const started = performance.now()
    parseJson(object(100_000), { maxBytes: 1e7, maxMembers: 100_000 })
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('takes a time that grows with the length alone', () => {
    const started = performance.now()
    parseJson(`"${'\\u0041'.repeat(200_000)}"`, { maxBytes: 1e7 })
    expect(code(`"${'a'.repeat(1e6)}`, { maxBytes: 1e7 })).toBe('json.malformed')
    expect(code(`${' '.repeat(1e6)}`, { maxBytes: 1e7 })).toBe('json.malformed')
    expect(code(`[${'9'.repeat(1e6)}]`, { maxBytes: 1e7 })).toBe('json.malformed')
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it.each([
    '1e308',
    '-1e308',
    '1e309',
    '1e999999',
    '-0',
    '-0.0',
    '-0e5',
    '-1e-400',
    '9007199254740992',
    '-9007199254740992',
    '9007199254740993',
    '1e16',
    '9007199254740992.0',
    '9'.repeat(400),
  ])('H18 the number %s is refused', (text) => {
    expect(code(text)).toBe('json.malformed')
    expect(code(`{"exp":${text}}`)).toBe('json.malformed')
  })

  it('H18 the edges of the safe integers and fractions are read, "60" stays a string', () => {
    expect(parseJson('[9007199254740991,-9007199254740991,0.1,1e15,1.0,5e-324,0e5]')).toEqual([
      2 ** 53 - 1,
      -(2 ** 53) + 1,
      0.1,
      1e15,
      1,
      5e-324,
      0,
    ])
    expect(parseJson('"60"')).toBe('60')
  })

  it('counts UTF-8 bytes, whether it was given text or bytes', () => {
    for (const text of ['"aaaa"', '"éé"', '"€€"', '"😀"']) {
      const bytes = new TextEncoder().encode(text)
      for (const input of [text, bytes]) {
        expect(code(input, { maxBytes: bytes.length })).toBeNull()
        expect(code(input, { maxBytes: bytes.length - 1 })).toBe('json.too_large')
      }
    }
    expect(code(`"${'a'.repeat(65_534)}"`)).toBeNull()
    expect(code(`"${'a'.repeat(65_535)}"`)).toBe('json.too_large')
  })
})
