/** Sealed sessions behind the gateway: whose a session is, and who may call in it. */
import type { Route } from '@postern/platform/gateway'
import { describe, expect, it } from 'vitest'
import { type Api, type Caller, createApi } from '../support/api.js'
import { API, type Bank, createBank } from '../support/bank.js'
import { tokensOf, withKey } from '../support/people.js'

const route = (over: Partial<Route>) =>
  ({ match: /^\/accounts$/, methods: ['GET', 'POST'], resource: 'accounts', ...over }) as Route

async function caller(bank: Bank, seed: number): Promise<Caller> {
  const person = await withKey(bank, seed)
  return { phone: person.phone, token: String((await tokensOf(person)).body['access_token']) }
}

async function scene(sealed: Route['sealed'] = 'required') {
  const bank = await createBank()
  const api = await createApi(bank, { sessions: true, routes: (handle) => [route({ sealed, handle })] })
  return { bank, api, honest: await caller(bank, 1), other: await caller(bank, 2) }
}

const last = ({ seen }: Api) => seen.at(-1)!.call.sealed

describe('a session behind the gateway', () => {
  it('belongs to the instance that opened it', async () => {
    const { api, honest } = await scene()
    const send = api.sealed(honest)
    await send(`${API}/accounts`)
    await send.reopen()
    expect((await send(`${API}/accounts`)).status).toBe(200)
    expect(last(api)).toMatchObject({ level: 'session', binding: { jkt: expect.any(String), ath: expect.any(String) } })
  })

  it('refuses another instance in it, with a good token and a good proof of its own', async () => {
    const { api, honest, other } = await scene()
    const now = { ...honest }
    const send = api.sealed(now)
    await send(`${API}/accounts`)
    await send.reopen()
    expect((await send(`${API}/accounts`)).status).toBe(200)
    const calls = api.seen.length
    Object.assign(now, other)
    const answer = await send(`${API}/accounts`)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_dpop_proof"'),
    ])
    expect(api.seen).toHaveLength(calls)
    // In a channel of its own the same instance is served.
    expect((await api.sealed(other)(`${API}/accounts`)).status).toBe(200)
  })

  it('takes every token of its instance: whom a call speaks for, its own token says', async () => {
    const { bank, api } = await scene()
    const person = await withKey(bank, 3)
    const now = { phone: person.phone, token: String((await tokensOf(person)).body['access_token']) }
    const send = api.sealed(now)
    await send(`${API}/accounts`)
    await send.reopen()
    await send(`${API}/accounts`)
    const opened = last(api).binding!
    now.token = String((await tokensOf(person)).body['access_token'])
    expect((await send(`${API}/accounts`)).status).toBe(200)
    expect(last(api)).toMatchObject({ level: 'session', binding: { jkt: opened.jkt, ath: opened.ath } })
  })

  it('is nobody’s where the proof does not cover the call that opens it, or fails in any other way', async () => {
    const { api, honest } = await scene()
    await api.sealed(honest)(`${API}/accounts`)
    const once = (wrong: Record<string, string>) => {
      let opens = true
      return (ekm: string) => {
        const own = opens ? { ekm, ...wrong } : { ekm }
        opens = false
        return own
      }
    }
    const wrongs: Record<string, string>[] = [
      { ekm: 'A'.repeat(43) },
      { ath: 'A'.repeat(43) },
      { htm: 'POST' },
      { htu: `${API}/accounts` },
      { nonce: 7 as never },
    ]
    for (const wrong of wrongs) {
      const send = api.sealed(honest, once(wrong))
      await send.reopen()
      expect((await send(`${API}/accounts`)).status).toBe(200)
      expect(last(api)).toMatchObject({ level: 'session', binding: null })
    }
    const uncovered = api.sealed(honest, () => ({}))
    await uncovered.reopen()
    expect((await uncovered(`${API}/accounts`)).status).toBe(200)
    expect(last(api)).toMatchObject({ level: 'session', binding: null })
  })

  it('is its instance’s after a pause too, in which the nonce grew old', async () => {
    const { bank, api, honest } = await scene()
    const send = api.sealed(honest)
    await send(`${API}/accounts`)
    bank.clock.advance(100_000)
    await send.reopen()
    expect((await send(`${API}/accounts`)).status).toBe(200)
    expect(last(api)).toMatchObject({ level: 'session', binding: { jkt: expect.any(String) } })
  })

  it('ends with the token that it was opened with', async () => {
    const { bank, api, honest } = await scene()
    const send = api.sealed(honest)
    await send(`${API}/accounts`)
    await send.reopen()
    await send(`${API}/accounts`)
    const { binding } = last(api)
    expect(binding!.expiresAt - bank.clock.clock()).toBeLessThanOrEqual(300_000)
  })
})

describe('a route for bound calls', () => {
  it('takes a proof over this very request, and a session of the caller’s', async () => {
    const { api, honest } = await scene('bound')
    const send = api.sealed(honest)
    expect((await send(`${API}/accounts`)).status).toBe(200)
    await send.reopen()
    expect((await send(`${API}/accounts`)).status).toBe(200)
    expect(last(api).binding).not.toBeNull()
  })

  it('refuses a sealed call whose proof would fit another as well, and a plain one', async () => {
    const { api, honest } = await scene('bound')
    const answer = await api.sealed(honest, () => ({}))(`${API}/accounts`)
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([403, 'payload.required'])
    const plain = await api.call(honest.phone, honest.token, '/accounts')
    expect([plain.status, ((await plain.json()) as { code: string }).code]).toEqual([403, 'payload.required'])
    expect(api.seen).toHaveLength(0)
  })
})
