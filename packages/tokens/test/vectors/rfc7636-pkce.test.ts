import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { expect, it } from 'vitest'
import { CHALLENGE, VERIFIER, world } from '../world.js'

// RFC 7636 Appendix B.
const VERIFIER_OCTETS = [
  116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191, 240, 91, 88, 5, 88,
  83, 132, 141, 121,
]
const HASH_OCTETS = [
  19, 211, 30, 150, 26, 26, 216, 236, 47, 22, 177, 12, 76, 152, 46, 8, 118, 168, 120, 173, 109, 241, 68, 86, 110, 225, 137, 74,
  203, 112, 249, 195,
]

it('RFC 7636 Appendix B: the verifier redeems a code of its challenge', async () => {
  expect(encodeBase64url(Uint8Array.from(VERIFIER_OCTETS))).toBe(VERIFIER)
  expect([...(await createCrypto().digest('SHA-256', utf8(VERIFIER)))]).toEqual(HASH_OCTETS)
  expect(encodeBase64url(Uint8Array.from(HASH_OCTETS))).toBe(CHALLENGE)
  const w = await world()
  const device = await w.device()
  expect((await w.redeem(device, await w.code(device.id), 0, { code_verifier: VERIFIER })).status).toBe(200)
})
