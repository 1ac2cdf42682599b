/** The metadata blob of November 2021, signed by the FIDO Alliance. */
import { appleAnchors } from '@postern/authenticators/webauthn/anchors'
import { verifyMds } from '@postern/authenticators/webauthn/mds'
import { beforeAll, describe, expect, it } from 'vitest'
import { crypto, globalSign, mdsBlob, mdsMissing, metadata2021, refusalOf } from '../webauthnVectors.js'

const now = Date.UTC(2021, 10, 1)
let blob = ''
const refused = async (text: string, o: { at?: number; anchors?: typeof appleAnchors; host?: string; known?: number } = {}) => {
  const { at = now, anchors = [globalSign()], ...more } = o
  return (await refusalOf(verifyMds(text, anchors, at, { crypto, ...more })))?.reason ?? null
}

describe.skipIf(mdsMissing)('MDS3', () => {
  beforeAll(() => {
    blob = mdsBlob()
  })

  it('gives 98 entries, number 9, due on 1 December 2021', async () => {
    const metadata = await metadata2021()
    expect([metadata.size, metadata.no, metadata.nextUpdate]).toEqual([98, 9, Date.UTC(2021, 11, 1)])
    const key = metadata.byAaguid('e1a9618350164f24b55be3ae23614cc6')!
    expect(key).toMatchObject({ description: 'AuthenTrend ATKey.Pro FIDO2 Authenticator' })
    expect(key.keyProtection).toContain('hardware')
    expect(key.reports.map(({ status }) => status)).toContain('FIDO_CERTIFIED_L1')
    expect(key.anchors().length).toBeGreaterThan(0)
    expect([metadata.byAaguid('0'.repeat(32)), metadata.byKeyId('0'.repeat(40))]).toEqual([null, null])
  })

  it('is refused under another authority, past its signer’s dates, for another host, when it is older than what is known', async () => {
    expect(await refused(blob)).toBe(null)
    expect(await refused(`${blob}\n`)).toBe(null)
    expect(await refused(blob, { anchors: appleAnchors })).toBe('chain.anchor')
    expect(await refused(blob, { anchors: [] })).toBe('chain.anchor')
    expect(await refused(blob, { at: Date.UTC(2022, 5, 1) })).toBe('expired')
    // The authority sells certificates to everybody; only the service's own signs metadata.
    expect(await refused(blob, { host: 'mds.example.com' })).toBe('signer')
    expect(await refused(blob, { known: 9 })).toBe(null)
    expect(await refused(blob, { known: 10 })).toBe('older than the one that is known')
  })

  it('is refused with a changed byte in any of its parts, and without one of them', async () => {
    const [head, body, tail] = blob.split('.') as [string, string, string]
    const turned = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    for (const at of [0, 1000, 500_000]) expect(await refused([head, turned(body, at), tail].join('.'))).not.toBe(null)
    expect(await refused([head, body, turned(tail, 100)].join('.'))).toBe('signature')
    for (let at = 0; at < head.length; at += 97) expect(await refused([turned(head, at), body, tail].join('.'))).not.toBe(null)
    for (const text of ['', '.', '..', head, `${head}.${body}`, `${blob}.`, `${blob}=`, `${head}.!.${tail}`])
      expect(await refused(text)).toMatch(/form|json/)
    const header = (change: object) => {
      const json = JSON.parse(Buffer.from(head, 'base64url').toString())
      return [Buffer.from(JSON.stringify({ ...json, ...change })).toString('base64url'), body, tail].join('.')
    }
    expect(await refused(header({ alg: 'none' }))).toBe('algorithm')
    expect(await refused(header({ alg: 'HS256' }))).toBe('algorithm')
    expect(await refused(header({ alg: 'ES256' }))).toMatch(/key type/)
    expect(await refused(header({ x5c: [] }))).toBe('chain.length')
    expect(await refused(header({ x5c: 'MII' }))).toBe('a list of texts')
    expect(await refused(header({ x5c: ['!'] }))).toBe('base64')
  })
})
