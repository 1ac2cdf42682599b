import { describe, expect, it } from 'vitest'
import { normalOrigin } from '../../src/internal/origin.js'
import { codeOf } from '../codeOf.js'

describe('an origin', () => {
  it.each([
    ['https://api.bank.example', 'https://api.bank.example'],
    ['https://API.bank.example:443/', 'https://api.bank.example'],
    ['https://api.bank.example:8443', 'https://api.bank.example:8443'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ])('%s is %s', (text, origin) => {
    expect(normalOrigin(text)).toBe(origin)
  })

  it.each([
    'http://api.bank.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'https://api.bank.example/path',
    'https://api.bank.example/?',
    'https://api.bank.example/?a',
    'https://api.bank.example/#',
    'https://user@api.bank.example',
    'https://:password@api.bank.example',
    'ftp://api.bank.example',
    'blob:https://api.bank.example/',
    'api.bank.example',
    '',
  ])('%s is none', async (text) => {
    expect(await codeOf(() => normalOrigin(text))).toBe('payload.config')
  })
})
