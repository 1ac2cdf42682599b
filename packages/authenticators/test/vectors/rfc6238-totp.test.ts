import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256, sha512 } from '@postern/authenticators/otp/sha2'
import { totp, totpStep } from '@postern/authenticators/otp/totp'
import { fromHex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { vectorFile } from '../vectorFile.js'

type Name = 'SHA1' | 'SHA256' | 'SHA512'
interface Vectors {
  readonly secretHex: Readonly<Record<Name, string>>
  readonly times: readonly number[]
  readonly codes: Readonly<Record<Name, readonly string[]>>
}
const { absent, data } = vectorFile<Vectors | null>('auth/rfc/totp-6238.json', null)
const appendixB = [sha1, sha256, sha512].flatMap((hash) =>
  (data?.times ?? []).map((time, i) => ({ name: hash.name, hash, time, expected: data!.codes[hash.name][i]! })),
)

describe.skipIf(absent)('RFC 6238 Appendix B', () => {
  it('has its 18 values', () => expect(appendixB).toHaveLength(18))

  it.each(appendixB)('$name at $time gives $expected, and it is found there', ({ hash, time, expected }) => {
    const key = fromHex(data!.secretHex[hash.name])!
    const now = time * 1000
    expect(totp(key, { now, digits: 8, hash })).toBe(expected)
    expect(totpStep({ key, code: expected, now, after: -1n, digits: 8, hash })).toBe(BigInt(Math.floor(time / 30)))
  })
})
