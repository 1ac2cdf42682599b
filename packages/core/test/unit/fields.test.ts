import { PosternError } from '@postern/core/errors'
import { anyObject, boolean, integer, list, object, oneOf, optional, text } from '@postern/core/fields'
import { type JsonValue, parseJson } from '@postern/core/json'
import { describe, expect, expectTypeOf, it } from 'vitest'

const login = object({
  device: text({ min: 1, max: 8, pattern: /^[a-z]*$/ }),
  tries: integer({ min: 0, max: 5 }),
  how: optional(oneOf('pin', 'key')),
  tags: optional(list(text({ max: 2 }), { max: 2 })),
  nested: optional(object({ ok: boolean })),
})
const reason = (value: JsonValue): string | null => {
  try {
    login(value)
    return null
  } catch (error) {
    if (error instanceof PosternError && error.code === 'json.shape') return error.reason
    throw error
  }
}

describe('fields', () => {
  it('reads an object with its optional members, typed', () => {
    const read = login(parseJson('{"device":"abc","tries":0,"how":"pin","tags":["x"],"nested":{"ok":true}}'))
    expect(read).toEqual({ device: 'abc', tries: 0, how: 'pin', tags: ['x'], nested: { ok: true } })
    expectTypeOf(read.device).toEqualTypeOf<string>()
    expectTypeOf(read.how).toEqualTypeOf<'pin' | 'key' | undefined>()
    expect(Object.keys(login({ device: 'a', tries: 5 }))).toEqual(['device', 'tries'])
  })

  it.each<[JsonValue, string]>([
    [null, 'the value is not an object'],
    [[], 'the value is not an object'],
    [{ tries: 0 }, '.device is missing'],
    [{ device: 'a', tries: 0, extra: 1 }, 'the value has an unknown member'],
    [{ device: 'a', tries: 0, toString: 1 }, 'the value has an unknown member'],
    [{ device: 1, tries: 0 }, '.device is not a string'],
    [{ device: '', tries: 0 }, '.device is not of 1 to 8 characters'],
    [{ device: 'abcdefghi', tries: 0 }, '.device is not of 1 to 8 characters'],
    [{ device: 'A', tries: 0 }, '.device has a character or form that is not allowed'],
    [{ device: 'a', tries: '0' }, '.tries is not an integer'],
    [{ device: 'a', tries: 0.5 }, '.tries is not an integer'],
    [{ device: 'a', tries: 6 }, '.tries is not between 0 and 5'],
    [{ device: 'a', tries: -1 }, '.tries is not between 0 and 5'],
    [{ device: 'a', tries: 0, how: null }, '.how is not one of pin, key'],
    [{ device: 'a', tries: 0, tags: 'x' }, '.tags is not an array'],
    [{ device: 'a', tries: 0, tags: ['a', 'b', 'c'] }, '.tags has more than 2 elements'],
    [{ device: 'a', tries: 0, tags: ['a', 'abc'] }, '.tags[1] is not of 0 to 2 characters'],
    [{ device: 'a', tries: 0, nested: { ok: 1 } }, '.nested.ok is not a boolean'],
  ])('refuses %j and says where', (value, expected) => {
    expect(reason(value)).toBe(expected)
  })

  it('a member inherited from a prototype is not a member', () => {
    expect(reason(Object.create({ device: 'a', tries: 0 }))).toBe('.device is missing')
    expect(anyObject({ a: 1 })).toEqual({ a: 1 })
  })
})
