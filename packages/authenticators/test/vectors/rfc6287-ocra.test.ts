import { ocra, ocraCounter, parseOcraSuite } from '@postern/authenticators/otp/ocra'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256, sha512 } from '@postern/authenticators/otp/sha2'
import { fromHex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { vectorFile } from '../vectorFile.js'

interface Vector {
  readonly suite: string
  readonly keyHex: string
  readonly question: string
  readonly counter?: number
  readonly pinSha1Hex?: string
  readonly timeStepHex?: string
  readonly code: string
}
const { absent, data } = vectorFile('auth/rfc/ocra-6287.json', { vectors: [] as Vector[] })
const hashes = { SHA1: sha1, SHA256: sha256, SHA512: sha512 }

describe.skipIf(absent)('RFC 6287 Appendix C', () => {
  it('has its 70 values', () => expect(data.vectors).toHaveLength(70))

  it.each(data.vectors)('$suite, question $question, gives $code, and it is found', (v) => {
    const suite = parseOcraSuite(v.suite)
    const o = { suite, key: fromHex(v.keyHex)!, hash: hashes[suite.hash] }
    const input = { question: v.question, ...(v.pinSha1Hex === undefined ? {} : { pinHash: fromHex(v.pinSha1Hex)! }) }
    const counter = v.counter === undefined ? {} : { counter: BigInt(v.counter) }
    const step = v.timeStepHex === undefined ? {} : { step: BigInt(`0x${v.timeStepHex}`) }
    expect(ocra(o, { ...input, ...counter, ...step })).toBe(v.code)
    const now = step.step === undefined ? 0 : Number(step.step) * suite.stepSec! * 1000
    const after = v.counter === undefined ? -1n : BigInt(v.counter) - 1n
    expect(ocraCounter({ ...o, code: v.code, input, after, now })).toBe(BigInt(v.counter ?? 0))
  })
})
