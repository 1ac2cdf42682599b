import { hashSecret, secret } from '@postern/tokens/auth/secret'
import { describe, expect, it } from 'vitest'
import { type Answer, basic, SECRET, type World, world } from '../world.js'

const FORM = { grant_type: 'client_credentials', scope: 'accounts' }
const AWKWARD = 'colon: percent%41 plus+ space and ümlaut, forty or so'

async function setup(): Promise<World> {
  const crypto = (await world()).contexts[0]!.runtime.crypto
  const [old, fresh, awkward] = await Promise.all([SECRET, `${SECRET}2`, AWKWARD].map((one) => hashSecret(crypto, one)))
  const base = { grantTypes: ['client_credentials'], scope: ['accounts'] }
  return world({
    clients: [
      { id: 'b', auth: { method: 'client_secret_basic', secretHashes: [old!, fresh!] }, ...base },
      { id: 'p', auth: { method: 'client_secret_post', secretHashes: [old!] }, ...base },
      { id: 'awkward', auth: { method: 'client_secret_basic', secretHashes: [awkward!] }, ...base },
      { id: 'open', auth: { method: 'none' }, redirectUris: ['https://a.example.com/cb'], scope: ['accounts'] },
    ],
    context: () => ({ auth: [secret] }),
  })
}
const by = (w: World, authorization: string, form: Record<string, string> = FORM) =>
  w.post('/token', form, { headers: { authorization } })
const said = ({ status, body }: Answer): string => (status === 200 ? 'ok' : `${status} ${body.error}`)
const NO = '401 invalid_client'
const b64 = (text: string | Uint8Array): string => `Basic ${Buffer.from(text as string).toString('base64')}`

describe('client secrets', () => {
  it('two are good during a change, each only in the way that the client registered', async () => {
    const w = await setup()
    expect(said(await by(w, basic('b', SECRET)))).toBe('ok')
    expect(said(await by(w, basic('b', `${SECRET}2`)))).toBe('ok')
    expect(said(await by(w, basic('b', `${SECRET}3`)))).toBe(NO)
    expect(said(await by(w, basic('p', SECRET)))).toBe(NO)
    expect(said(await w.post('/token', { ...FORM, client_id: 'p', client_secret: SECRET }))).toBe('ok')
    expect(said(await w.post('/token', { ...FORM, client_id: 'b', client_secret: SECRET }))).toBe(NO)
  })

  it('H15 Basic is base64, the first colon, then each half decoded once as a form', async () => {
    const w = await setup()
    const form = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2)
    expect(said(await by(w, b64(`awkward:${form(AWKWARD)}`)))).toBe('ok')
    expect(said(await by(w, basic('awkward', AWKWARD)))).toBe('ok')
    // Not decoded, decoded twice, or split at another colon, it is another secret.
    expect(said(await by(w, b64(`awkward:${AWKWARD}`)))).not.toBe('ok')
    expect(said(await by(w, b64(`awkward:${form(form(AWKWARD))}`)))).toBe(NO)
    expect(said(await by(w, basic('awkward:colon', AWKWARD.slice(7))))).toBe(NO)
    expect(said(await by(w, b64(`awkw%61rd:${form(AWKWARD)}`)))).toBe('ok')
  })

  it.each<[string, string]>([
    ['no base64', 'Basic ***'],
    ['base64url', `Basic ${Buffer.from('b:??>>').toString('base64url')}`],
    ['no colon', b64('b')],
    ['no id', b64(':x')],
    ['bytes that are no UTF-8', b64(Uint8Array.of(0x62, 0x3a, 0xff))],
    ['nothing', 'Basic '],
    ['another scheme', 'Bearer x'],
    ['Digest', 'Digest username="b"'],
  ])('H15 %s is refused', async (_what, authorization) => {
    expect(said(await by(await setup(), authorization))).toBe(NO)
  })

  it('H15 a broken escape is no credential at all', async () => {
    expect(said(await by(await setup(), b64('b:%zz')))).toBe('400 invalid_request')
  })

  it('two at once are refused, whichever of them is right', async () => {
    const w = await setup()
    for (const form of [
      { client_secret: SECRET },
      { client_id: 'b', client_secret: SECRET },
      { client_assertion: 'x', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' },
      { client_id: 'p' },
    ] as Record<string, string>[])
      expect(said(await by(w, basic('b', SECRET), { ...FORM, ...form }))).toBe(NO)
  })

  it('an unknown client, a wrong secret, a secret of a public client and another client’s look the same', async () => {
    const w = await setup()
    const answers = await Promise.all([
      by(w, basic('nobody', SECRET)),
      by(w, basic('b', 'wrong')),
      by(w, basic('open', SECRET)),
      by(w, basic('awkward', SECRET)),
      by(w, basic('b'.repeat(65), SECRET)),
      by(w, basic('../b', SECRET)),
    ])
    expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1)
    // RFC 6749 §5.2: the scheme that was used is named.
    for (const { headers } of answers) expect(headers.get('www-authenticate')).toMatch(/^Basic realm="/)
  })

  it('below 32 characters there is no secret', async () => {
    const { crypto } = (await world()).contexts[0]!.runtime
    await expect(hashSecret(crypto, 'x'.repeat(31))).rejects.toMatchObject({ code: 'metadata.refused' })
    expect(await hashSecret(crypto, 'x'.repeat(32))).toMatch(/^[\w-]{43}$/)
  })

  it('whoever sends a credential that this issuer does not read is not let in without it', async () => {
    const clients = [
      { id: 'open', auth: { method: 'none' }, dpopBound: false, redirectUris: ['https://a.example.com/cb'], scope: [] },
    ] as const
    const w = await world({ clients, context: () => ({ auth: [] }) })
    for (const more of [{ client_secret: SECRET }, { client_assertion: 'x' }] as Record<string, string>[])
      expect(said(await w.post('/revoke', { client_id: 'open', token: 'x', ...more }))).toBe(NO)
    expect(said(await w.post('/revoke', { client_id: 'open', token: 'x' }))).toBe('ok')
  })
})
