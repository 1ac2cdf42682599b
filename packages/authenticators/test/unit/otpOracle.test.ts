/// <reference types="node" />
/** oathtool, otpauth and otplib make and read the same codes and URIs. */
import { spawnSync } from 'node:child_process'
import { hotp, hotpCounter } from '@postern/authenticators/otp/hotp'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256, sha512 } from '@postern/authenticators/otp/sha2'
import { totp, totpStep, totpStepAt } from '@postern/authenticators/otp/totp'
import { formatOtpauth, parseOtpauth } from '@postern/authenticators/otp/uri'
import { encodeBase32 } from '@postern/core/base32'
import { hex } from '@postern/core/bytes'
import * as otpauth from 'otpauth'
import { generateSync, generateURI } from 'otplib'
import { describe, expect, it } from 'vitest'
import { random } from '../world.js'

const now = 1_800_000_000_000
const hashes = [sha1, sha256, sha512]
const oathtool = (...args: string[]): string => spawnSync('oathtool', args, { encoding: 'utf8' }).stdout.trim()
const noOathtool = spawnSync('oathtool', ['--version']).status !== 0 && process.env['POSTERN_REQUIRE'] !== 'all'

describe.skipIf(noOathtool)('oathtool', () => {
  it.each(hashes)('makes the same TOTP with $name, and finds ours', (hash) => {
    for (const digits of [6, 7, 8] as const) {
      const key = random(hash.bytes)
      const now = 1_700_000_000_000 + 1000 * (random(2)[0]! * 65_537)
      const args = [`--totp=${hash.name}`, '-d', `${digits}`, '-N', `@${now / 1000}`]
      expect(oathtool(...args, hex(key))).toBe(totp(key, { now, digits, hash }))
      const next = totp(key, { now: now + 30_000, digits, hash })
      expect(oathtool(...args, '-w', '1', hex(key), next)).toBe('1')
      expect(totpStep({ key, code: oathtool(...args, hex(key)), now: now + 30_000, after: -1n, digits, hash })).toBe(
        totpStepAt(now),
      )
    }
  })

  it('makes the same HOTP, counters above 2^32 included', () => {
    for (const counter of [0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, (1n << 63n) - 1n]) {
      const key = random(20)
      const code = oathtool('--hotp', '-c', `${counter}`, hex(key))
      expect(code).toBe(hotp(key, counter))
      expect(hotpCounter({ key, code, after: counter - 3n < -1n ? -1n : counter - 3n })).toBe(counter)
    }
  })
})

describe.each(hashes)('otpauth and otplib, $name', (hash) => {
  it('make the same codes', () => {
    for (const digits of [6, 7, 8] as const) {
      const key = random(hash.bytes)
      const secret = new otpauth.Secret({ buffer: key.slice().buffer as ArrayBuffer })
      const theirs = new otpauth.TOTP({ secret, algorithm: hash.name, digits, period: 30 })
      const code = totp(key, { now, digits, hash })
      expect(theirs.generate({ timestamp: now })).toBe(code)
      expect(theirs.validate({ token: totp(key, { now: now - 30_000, digits, hash }), timestamp: now, window: 1 })).toBe(-1)
      expect(new otpauth.HOTP({ secret, algorithm: hash.name, digits }).generate({ counter: 7 })).toBe(
        hotp(key, 7n, digits, { hash }),
      )
      const algorithm = hash.name.toLowerCase() as 'sha1' | 'sha256' | 'sha512'
      const base32 = encodeBase32(key).toUpperCase()
      expect(generateSync({ secret: base32, algorithm, digits, epoch: now / 1000 })).toBe(code)
    }
  })

  it('read and write the same URIs', () => {
    const secret = random(hash.bytes)
    const ours = { type: 'totp', secret, issuer: 'ACME Bank', account: 'ada@example.org', hash: hash.name, digits: 8 } as const
    const theirs = otpauth.URI.parse(formatOtpauth(ours)) as otpauth.TOTP
    expect(theirs).toMatchObject({ issuer: ours.issuer, label: ours.account, algorithm: hash.name, digits: 8, period: 30 })
    expect(new Uint8Array(theirs.secret.buffer)).toEqual(secret)
    expect(parseOtpauth(theirs.toString())).toMatchObject(ours)
    const hotpUri = otpauth.URI.parse(formatOtpauth({ ...ours, type: 'hotp', counter: 42n })) as otpauth.HOTP
    expect(hotpUri.counter).toBe(42)
    expect(parseOtpauth(hotpUri.toString())).toMatchObject({ type: 'hotp', counter: 42n })
    const other = generateURI({ issuer: ours.issuer, label: ours.account, secret: encodeBase32(secret).toUpperCase() })
    expect(parseOtpauth(other)).toMatchObject({ type: 'totp', secret, issuer: ours.issuer, account: ours.account, digits: 6 })
  })
})
