import { parseForm } from '@postern/core/form'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support.js'

describe('parseForm', () => {
  it('decodes names and values', () => {
    expect([...parseForm('grant_type=authorization_code&scope=a+b%20c&x=%C3%A9%e2%82%ac&y=a=b')]).toEqual([
      ['grant_type', 'authorization_code'],
      ['scope', 'a b c'],
      ['x', 'é€'],
      ['y', 'a=b'],
    ])
    expect(parseForm('').size).toBe(0)
  })

  it('a parameter without a value is as if it had not been sent (RFC 6749 §3.1)', () => {
    expect([...parseForm('a=&b&c=1').keys()]).toEqual(['c'])
  })

  it.each(['a=1&a=2', 'a=1&a=1', 'a=&a=1', 'a&a', 'a=1&%61=2', 'a+b=1&a%20b=2'])('H05 the duplicate in %s is refused', (body) => {
    expect(codeOf(() => parseForm(body))).toBe('form.duplicate')
  })

  it.each(['a[]=1', 'a%5B%5D=1', 'a[0]=1', 'a[b]=1', ']=1'])('H05 the array notation %s is refused', (body) => {
    expect(codeOf(() => parseForm(body))).toBe('form.malformed')
  })

  it.each([
    'a=%',
    'a=%1',
    'a=%zz',
    'a=%1g',
    'a=%%',
    '%=1',
    'a=%u0041',
    'a=%00',
    '%00=1',
    'a=b%00c',
    'a=%ff',
    'a=%c0%af',
    'a=%ed%a0%80',
    'a=%c3',
    'a=%c3&b=%a9',
    '=1',
    '&',
    'a=1&',
    '&a=1',
    'a=1&&b=2',
    'a=é',
    'a= b',
    'a=\n',
    'a=\u0000',
    'a=\ud800',
    'a=\u007f',
  ])('H07 %j is refused', (body) => {
    expect(codeOf(() => parseForm(body))).toBe('form.malformed')
  })

  it('`__proto__` is a name like any other: the result is a Map', () => {
    expect(parseForm('__proto__=1').get('__proto__')).toBe('1')
  })

  it('takes 64 parameters and 64 KiB, and no more', () => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => `p${i}=1`).join('&')
    expect(parseForm(many(64)).size).toBe(64)
    expect(codeOf(() => parseForm(many(65)))).toBe('form.too_large')
    expect(parseForm(`a=${'x'.repeat(65_534)}`).get('a')).toHaveLength(65_534)
    expect(codeOf(() => parseForm(`a=${'x'.repeat(65_535)}`))).toBe('form.too_large')
    expect(codeOf(() => parseForm('&'.repeat(65_000)))).toBe('form.too_large')
    expect(codeOf(() => parseForm('a=1&b=2', { maxParameters: 1 }))).toBe('form.too_large')
    expect(codeOf(() => parseForm('a=12', { maxBytes: 3 }))).toBe('form.too_large')
  })
})
