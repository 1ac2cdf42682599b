import { canonicalJson } from '@postern/core/canonicalJson'
import { type JsonValue, parseJson } from '@postern/core/json'
import * as peer from 'canonicalize'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { codeOf, RUNS } from '../support.js'

// CommonJS whose types claim to be a module.
const canonicalize = peer.default as unknown as (value: unknown) => string
const FORBIDDEN = ['__proto__', 'constructor', 'prototype']
const name = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => !FORBIDDEN.includes(text))
const number = fc
  .oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .filter((n) => !Object.is(n, -0) && !(Number.isInteger(n) && !Number.isSafeInteger(n)))
const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    number,
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(name, tie('value'), { maxKeys: 6 }),
  ),
}))
const plain = (value: JsonValue): unknown => JSON.parse(JSON.stringify(value))

it('what JSON.stringify writes is read back', () =>
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      expect(plain(parseJson(JSON.stringify(value, null, indent)))).toEqual(plain(value))
    }),
    { numRuns: RUNS },
  ))

it('whatever it accepts, JSON.parse accepts and understands alike', () => {
  const fragment = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u00',
    '41',
    '"a"',
    '"b":',
    '1',
    '-',
    '.',
    'e',
    '0',
    'true',
    'null',
    ' ',
    '\n',
    '\ufeff',
    '"a":1',
    'é',
    '\ud800',
  )
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), (fragments) => {
      const text = fragments.join('')
      let ours: JsonValue
      try {
        ours = parseJson(text)
      } catch {
        return
      }
      expect(plain(ours)).toEqual(JSON.parse(text))
    }),
    { numRuns: RUNS * 20 },
  )
})

it('whatever it refuses and JSON.parse accepts has one of the named reasons', () =>
  fc.assert(
    fc.property(fc.json(), (text) => {
      const reasons = /"(?:__proto__|constructor|prototype)"|-0|\d{16}|e\+|\\u|[\ud800-\udfff]/
      if (codeOf(() => parseJson(text)) !== null) expect(text).toMatch(reasons)
    }),
    { numRuns: RUNS },
  ))

it('RFC 8785: canonical bytes are those of an independent implementation', () =>
  fc.assert(
    fc.property(value, (value) => {
      expect(new TextDecoder().decode(canonicalJson(value))).toBe(canonicalize(value))
    }),
    { numRuns: RUNS },
  ))

it('RFC 8785: one value has one text, in whatever order its members came', () =>
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 8 }), (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse())
      expect(canonicalJson(reversed)).toEqual(canonicalJson(object))
      expect(canonicalJson(parseJson(canonicalJson(object)))).toEqual(canonicalJson(object))
    }),
    { numRuns: RUNS },
  ))
