/// <reference types="node" />
import { androidOrigin, iosOrigin, isOrigin, relatedOrigins } from '@postern/authenticators/webauthn/origins'
import { fromHex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'

describe('origins', () => {
  it('of apps are named by certificate and by bundle', () => {
    const sha256 = fromHex('a4d88fe622b243c27080639a280d73194'.padEnd(64, 'f'))!
    expect(androidOrigin(sha256)).toBe(`android:apk-key-hash:${Buffer.from(sha256).toString('base64url')}`)
    expect(androidOrigin(new Uint8Array(32))).toBe(`android:apk-key-hash:${'A'.repeat(43)}`)
    for (const size of [0, 20, 31, 33]) expect(() => androidOrigin(new Uint8Array(size))).toThrow(RangeError)
    expect(iosOrigin('example.bank-1')).toBe('ios:bundle-id:example.bank-1')
    for (const bundle of ['', 'a b', 'a/b', 'é', 'x'.repeat(156)]) expect(() => iosOrigin(bundle)).toThrow(RangeError)
  })

  it.each([
    'https://bank.example',
    'https://bank.example:8443',
    'https://xn--bcher-kva.example',
    'http://localhost',
    'http://localhost:5173',
    `android:apk-key-hash:${'A'.repeat(43)}`,
    'ios:bundle-id:example.bank',
  ])('%s is one, as clients write it', (text) => expect(isOrigin(text)).toBe(true))

  it.each([
    '',
    'bank.example',
    'https://bank.example/',
    'https://bank.example:443',
    'https://Bank.example',
    'https://bücher.example',
    'https://ada@bank.example',
    'https://bank.example/login',
    'https://bank.example?x',
    'http://bank.example',
    'http://localhost.evil.example',
    'https://*.bank.example',
    'android:apk-key-hash:short',
    `android:apk-key-hash:${'A'.repeat(42)}=`,
    'ios:bundle-id:',
    'null',
    'data:text/html,x',
    'file://',
  ])('%j is none', (text) => expect(isOrigin(text)).toBe(false))

  it('of other sites are a document, each once, all of them https', () => {
    expect(relatedOrigins(['https://bank.no', 'https://bank.example', 'https://bank.no'])).toEqual({
      origins: ['https://bank.no', 'https://bank.example'],
    })
    for (const bad of ['http://localhost:5173', 'https://bank.no/', 'ios:bundle-id:example.bank'])
      expect(() => relatedOrigins(['https://bank.no', bad])).toThrow(RangeError)
  })
})
