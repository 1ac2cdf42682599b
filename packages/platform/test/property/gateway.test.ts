import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalisePath, otherReadings } from '../../src/internal/gateway/normalise.js'
import { stripHeaders } from '../../src/internal/gateway/strip.js'

const runs = { numRuns: Number(process.env.POSTERN_RUNS ?? 100) }

describe('header algebra', () => {
  const trusted = fc.constantFrom(
    'X-Forwarded-For',
    'forwarded',
    'X-Real-IP',
    'x-original-url',
    'Postern-Call',
    'x_forwarded_for',
    'X-HTTP-Method-Override',
    'Authorization',
    'DPoP',
    'cookie',
    'x-user-id',
  )
  const harmless = fc.constantFrom('accept', 'content-type', 'x-request-id', 'accept-language')
  const value = fc.stringMatching(/^[a-z0-9=;, ]{0,12}$/)

  it('whatever the caller sends, an upstream sees no name that only the gateway may write (F63)', () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(trusted, harmless), value)), fc.option(harmless), (pairs, connection) => {
        const headers = new Headers()
        for (const [name, one] of pairs) headers.append(name, one)
        if (connection !== null) headers.append('connection', connection)
        const left = [...stripHeaders(headers, ['x-user-id']).keys()]
        expect(left.filter((name) => !['accept', 'content-type', 'x-request-id', 'accept-language'].includes(name))).toEqual([])
        if (connection !== null) expect(left).not.toContain(connection)
      }),
      runs,
    ))
})

describe('path algebra', () => {
  it.each([
    '/a/../b',
    '/a/%2e%2e/b',
    '/a%2fb',
    '/a%5cb',
    '/a\\b',
    '//a',
    '/a;x=1',
    '/a%00',
    '/%252e',
    '/a%',
    '/%c0%ae',
    'a',
    '/a b',
    '/.',
  ])('%s is refused before routing (H22)', (path) => {
    expect(normalisePath(path).ok).toBe(false)
  })

  it('an accepted path has no dot segment in any reading, and is handed on unchanged', () =>
    fc.assert(
      fc.property(fc.webPath(), (path) => {
        const judged = normalisePath(path)
        if (!judged.ok) return
        expect(judged.path).toBe(path)
        for (const reading of [path, ...otherReadings(path)]) expect(reading.split('/')).not.toContain('..')
      }),
      runs,
    ))
})
