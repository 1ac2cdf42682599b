import { appChallenge, keyChallenge, requestChallenge } from '@postern/attestation/binding'
import { hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { expect, it } from 'vitest'

const crypto = createCrypto()
const context = { issuer: 'https://gate.example', tenant: 'bank', app: 'retail', challenge: new Uint8Array(32).fill(1) }
const jkt = new Uint8Array(32).fill(2)
const request = new Uint8Array(32).fill(3)

/** Lengths and bytes written out by hand from the definition of T: lp(label) ‖ u8(n) ‖ lp(f)… */
function byHand(label: string, fields: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes: number[] = []
  const put = (field: string | Uint8Array): void => {
    const raw = typeof field === 'string' ? new TextEncoder().encode(field) : field
    bytes.push(raw.length >> 8, raw.length & 255, ...raw)
  }
  put(label)
  bytes.push(fields.length)
  fields.forEach(put)
  return new Uint8Array(bytes)
}

it('evidence/v1 digests are SHA-256 over exactly the tuple of their definition', async () => {
  const { issuer, tenant, app, challenge } = context
  const cases = [
    [await keyChallenge(crypto, context), byHand('postern:evidence/v1:key', [issuer, tenant, app, challenge])],
    [
      await appChallenge(crypto, { ...context, jkt, purpose: 'register' }),
      byHand('postern:evidence/v1:app', [issuer, tenant, app, challenge, jkt, 'register']),
    ],
    [
      await requestChallenge(crypto, { ...context, jkt, request }),
      byHand('postern:evidence/v1:request', [issuer, tenant, app, challenge, jkt, request]),
    ],
  ] as const
  for (const [got, bytes] of cases) expect(hex(got)).toBe(hex(await crypto.digest('SHA-256', bytes)))
})

it('another challenge, key, app, tenant, issuer or purpose gives another digest', async () => {
  const base = { ...context, jkt, purpose: 'register' as const }
  const variants = [
    base,
    { ...base, challenge: new Uint8Array(32).fill(9) },
    { ...base, jkt: new Uint8Array(32).fill(9) },
    { ...base, app: 'other' },
    { ...base, tenant: 'other' },
    { ...base, issuer: 'https://other.example' },
    { ...base, purpose: 'update' as const },
  ]
  const digests = await Promise.all(variants.map(async (variant) => hex(await appChallenge(crypto, variant))))
  expect(new Set(digests).size).toBe(variants.length)
})

it('values of another size than 32 bytes are a mistake of the caller', async () => {
  await expect(keyChallenge(crypto, { ...context, challenge: new Uint8Array(31) })).rejects.toThrow(RangeError)
})
