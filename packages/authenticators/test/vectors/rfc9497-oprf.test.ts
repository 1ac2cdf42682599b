import { existsSync, readFileSync } from 'node:fs'
import { p256Sha256 } from '@postern/authenticators/opaque/p256'
import { ristretto255Sha512 } from '@postern/authenticators/opaque/suite'
import { fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { vectorsAt } from '../vectorsAt.js'

const file = vectorsAt('auth/oprf/allVectors.json')
const present = existsSync(file) || process.env['POSTERN_REQUIRE'] === 'all'
interface Suite {
  readonly identifier: string
  readonly mode: number
  readonly seed: string
  readonly keyInfo: string
  readonly skSm: string
  readonly vectors: readonly {
    readonly Blind: string
    readonly BlindedElement: string
    readonly EvaluationElement: string
    readonly Input: string
    readonly Output: string
  }[]
}
const all: readonly Suite[] = present ? JSON.parse(readFileSync(file, 'utf8')) : []
const used = { 'ristretto255-SHA512': ristretto255Sha512, 'P256-SHA256': p256Sha256 } as const

describe.skipIf(!present)('RFC 9497 Appendix A, OPRF mode', () => {
  const suites = all.filter((s) => s.mode === 0 && s.identifier in used)
  it('has both suites that are used', () => expect(suites).toHaveLength(2))
  it.each(suites)('$identifier', ({ identifier, seed, keyInfo, skSm, vectors }) => {
    const { oprf } = used[identifier as keyof typeof used]
    const key = oprf.deriveKey(fromHex(seed)!, fromHex(keyInfo)!)
    expect(hex(key)).toBe(skSm)
    for (const v of vectors) {
      const input = fromHex(v.Input)!
      const blind = fromHex(v.Blind)!
      const blinded = oprf.blind(input, blind)
      expect(hex(blinded)).toBe(v.BlindedElement)
      const evaluated = oprf.blindEvaluate(key, blinded)
      expect(hex(evaluated)).toBe(v.EvaluationElement)
      expect(hex(oprf.finalize(input, blind, evaluated))).toBe(v.Output)
    }
  })
})
