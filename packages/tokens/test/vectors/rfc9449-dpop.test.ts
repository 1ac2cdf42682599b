import { createCrypto } from '@postern/core/crypto'
import { thumbprint } from '@postern/core/jwk'
import { type ProofInput, verifyProof } from '@postern/tokens/dpop'
import { expect, it } from 'vitest'

// RFC 9449: the key and the header of all its proofs (figures 1, 4, 7 and 12), and what each says.
const HEADER =
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19'
const JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'
const JWK = {
  kty: 'EC',
  x: 'l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs',
  y: '9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA',
  crv: 'P-256',
}
const TOKEN = 'https://server.example.com/token'
const examples = [
  {
    figure: '§4.1, §5 figure 4: redeeming a code',
    payload:
      'eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ',
    signature: '2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg',
    request: { method: 'POST', url: TOKEN },
    says: { jti: '-BwC3ESc6acc2lTc', iat: 1562262616 },
  },
  {
    figure: '§5 figure 7: refreshing',
    payload:
      'eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ',
    signature: 'pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA',
    request: { method: 'POST', url: TOKEN },
    says: { jti: '-BwC3ESc6acc2lTc', iat: 1562265296 },
  },
  {
    figure: '§7.1: calling an API with its token',
    payload:
      'eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9',
    signature: '2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA',
    request: {
      method: 'GET',
      url: 'https://resource.example.org/protectedresource',
      accessToken: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU',
    },
    says: { jti: 'e1j3V_bKic8-LAEB', iat: 1562262618 },
  },
] as const

const crypto = createCrypto()
const nonces = { issue: async () => '', good: async () => false, lifeMs: 0 }
const verify = (input: Omit<ProofInput, 'nonce'>, nowSec: number) =>
  verifyProof({ ...input, nonce: 'optional' }, { crypto, nonces, clock: () => nowSec * 1000 })

it.each(examples)('RFC 9449 $figure is read as it says, and as nothing else', async ({ payload, signature, request, says }) => {
  const jwt = `${HEADER}.${payload}.${signature}`
  const proof = await verify({ jwt, boundTo: JKT, ...request }, says.iat + 60)
  expect(proof).toMatchObject({ ...says, jkt: JKT, jwk: JWK, nonce: null })
  const other = examples.find((example) => example.signature !== signature)!
  for (const [input, reason] of [
    [{ jwt, ...request, method: 'PUT' }, 'dpop.method'],
    [{ jwt, ...request, url: 'https://server.example.com/other' }, 'dpop.target'],
    [{ jwt, ...request, accessToken: 'another' }, 'dpop.token'],
    [{ jwt, ...request, boundTo: 'another' }, 'dpop.key'],
    [{ jwt: `${HEADER}.${payload}.${other.signature}`, ...request }, 'dpop.signature'],
  ] as const)
    await expect(verify(input, says.iat)).rejects.toMatchObject({ code: 'dpop.proof', reason })
  await expect(verify({ jwt, ...request }, says.iat + 61)).rejects.toMatchObject({ reason: 'dpop.stale' })
})

it('RFC 9449 §6.1: the thumbprint that cnf.jkt holds', async () => {
  expect(await thumbprint(crypto, JWK)).toBe(JKT)
})
