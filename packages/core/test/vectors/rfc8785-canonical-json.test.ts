import { canonicalJson } from '@postern/core/canonicalJson'
import { type JsonValue, parseJson } from '@postern/core/json'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support.js'

const canonical = (value: JsonValue) => new TextDecoder().decode(canonicalJson(value))
const double = (bits: string) =>
  new DataView(Uint8Array.from(bits.match(/../g)!, (byte) => Number.parseInt(byte, 16)).buffer).getFloat64(0)

describe('RFC 8785', () => {
  it('§3.2.2: the example', () => {
    const input =
      '{"numbers":[333333333.33333329,1E-10,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    expect(canonical(parseJson(input))).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e-10,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('§3.2.3: members are sorted by UTF-16 code units', () => {
    const members = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    expect(Object.values(JSON.parse(canonical(members)) as object)).toHaveLength(7)
    const order = [...canonical(members).matchAll(/:"([^"]*)"/g)].map(([, text]) => text)
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })

  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('Appendix B: %s is written %s', (bits, expected) => {
    expect(canonical(double(bits))).toBe(expected)
  })

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['undefined', { a: undefined }],
    ['a hole', Array(1)],
    ['a date', new Date(0)],
    ['a bigint', 1n],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate as name', { '\udc00': 1 }],
  ])('refuses %s, which JSON cannot say', (_, value) => {
    expect(codeOf(() => canonicalJson(value as JsonValue))).toBe('json.malformed')
  })

  it('H02 a value too deep is refused before the stack ends', () => {
    let value: JsonValue = 1
    for (let i = 0; i < 100_000; i++) value = [value]
    expect(codeOf(() => canonicalJson(value))).toBe('json.too_large')
  })
})
