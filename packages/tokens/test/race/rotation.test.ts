import type { VerifyKey } from '@postern/core/cryptoPort'
import { readJws, verifyJws } from '@postern/core/jws'
import { LEAD_MS, RETAIN_MS } from '@postern/core/keyRing'
import { type AuthorizationServer, createAuthorizationServer } from '@postern/tokens'
import { issueCode } from '@postern/tokens/challenge'
import { sharedNonces } from '@postern/tokens/dpop'
import type { IssuerContext } from '@postern/tokens/issuer'
import { accessTokenRules } from '@postern/tokens/jose'
import { createKeys, type KeyStore, keysInStore, rotateKeys, tendKeys } from '@postern/tokens/keys'
import { registration } from '@postern/tokens/register'
import { describe, expect, it } from 'vitest'
import { API, basic, CHALLENGE, type Device, ISSUER, SECRET, VERIFIER, type World, world } from '../world.js'

const STEP_MS = 15_000
const SKEW_MS = 30_000

/** Two nodes over one store, the second one's clock 30 s behind; each reads the ring for itself. */
async function setup() {
  const w = await world({ config: { lifetimes: { accessSec: 300 } } })
  const [base] = w.contexts
  const clocks = [() => w.now(), () => w.now() - SKEW_MS]
  const stores = clocks.map(
    (clock): KeyStore => ({ runtime: { ...base!.runtime, clock }, tenant: 't1', masterKeys: [new Uint8Array(32).fill(7)] }),
  )
  await createKeys(stores[0]!)
  const sources = stores.map(keysInStore)
  const contextOf = async (node: number): Promise<IssuerContext> => ({
    ...w.contexts[node]!,
    runtime: stores[node]!.runtime,
    ...(await sources[node]!.current()),
  })
  const nodes: AuthorizationServer[] = [0, 1].map((node) =>
    createAuthorizationServer({ resolveIssuer: () => contextOf(node), endpoints: [registration] }),
  )
  return { w, stores, nodes, contextOf }
}

/** A client that keeps the key set for as long as it was told it may, and asks for no key in between. */
function verifier(w: World, node: AuthorizationServer) {
  const { crypto } = w.contexts[0]!.runtime
  let keys = new Map<string, VerifyKey>()
  let freshUntil = 0
  return async (token: string): Promise<boolean> => {
    if (w.now() >= freshUntil) {
      const reply = await node.fetch(new Request(`${ISSUER}/jwks`))
      const maxAge = Number(/max-age=(\d+)/.exec(reply.headers.get('cache-control')!)![1])
      const set = (await reply.json()) as { keys: (JsonWebKey & { kid: string })[] }
      keys = new Map(await Promise.all(set.keys.map(async (jwk) => [jwk.kid, await crypto.verifyKey('ES256', jwk)] as const)))
      freshUntil = w.now() + maxAge * 1000
    }
    const jws = readJws(token, accessTokenRules())
    const key = keys.get(jws.kid!)
    if (key === undefined) return false
    await verifyJws(crypto, jws, key)
    return true
  }
}

describe('keys turn under load, on two nodes whose clocks are 30 s apart', () => {
  it('F83 T47 no request fails, and no token is unknown to who honours max-age', async () => {
    const { w, stores, nodes, contextOf } = await setup()
    const failures: string[] = []
    let requests = 0
    async function post(node: number, path: string, form: Record<string, string>, headers: Record<string, string> = {}) {
      requests++
      const request = new Request(ISSUER + path, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      })
      const reply = await nodes[node]!.fetch(request)
      const body = (await reply.json()) as Record<string, string>
      if (reply.status !== 200)
        failures.push(`${(w.now() - start) / 1000} s, node ${node}: ${path} ${reply.status} ${body.error}`)
      return body
    }
    const nonce = async (node: number) => {
      const { keys, runtime, tenant } = await contextOf(node)
      return sharedNonces({ keys, crypto: runtime.crypto, clock: runtime.clock, tenant, issuer: ISSUER, role: 'as' }).issue()
    }
    const token = async (device: Device, node: number, form: Record<string, string>) =>
      post(
        node,
        '/token',
        { client_id: device.id, ...form },
        { dpop: await device.proof(`${ISSUER}/token`, { nonce: await nonce(node) }) },
      )

    const start = w.now()
    const device = await w.device()
    const portal = { authorization: basic('portal', SECRET) }
    // Readers that begin at different times, so that some fetch just before a key is published and some just after.
    const readers = Array.from({ length: 10 }, (_, i) => verifier(w, nodes[i % 2]!))
    const codeAt = async (node: number): Promise<string> => {
      const context = await contextOf(node)
      const client = (await context.clients.find(device.id))!
      const login = { subject: 'user-1', authTime: context.runtime.clock(), acr: 'level2', amr: ['pin'] }
      return issueCode(
        {
          client,
          login,
          scope: ['openid', 'accounts'],
          resource: API,
          codeChallenge: CHALLENGE,
          redirectUri: null,
          dpopJkt: null,
        },
        context,
      )
    }
    const redeem = (code: string, node: number) =>
      token(device, node, { grant_type: 'authorization_code', code, code_verifier: VERIFIER })
    let family = await redeem(await codeAt(0), 1)
    const oldest = family.refresh_token!
    const unknown: string[] = []
    const kids = new Set<string>()
    const rotations = { signing: 0, long: 0, short: 0 }

    // Two hours, in which every ring turns several times, by either node's operator.
    for (let step = 0; step * STEP_MS < 2 * 3_600_000; step++) {
      const node = step % 2
      if (step % 37 === 7) {
        const ring = (['signing', 'long', 'short'] as const)[Math.floor(step / 37) % 3]!
        await rotateKeys(stores[node]!, ring)
        rotations[ring]++
      }
      if (step % 240 === 0) await tendKeys(stores[1 - node]!)
      // A code made on one node is redeemed on the other; a token refreshed there is introspected here.
      const code = step % 6 === 0 ? await codeAt(node) : null
      family = await token(device, 1 - node, { grant_type: 'refresh_token', refresh_token: family.refresh_token! })
      const service = await post(node, '/token', {
        grant_type: 'client_credentials',
        client_id: 'service',
        client_secret: SECRET,
      })
      const other = code === null ? service : await redeem(code, 1 - node)
      for (const one of [family, service, other]) {
        const { active } = (await post(node, '/introspect', { token: one.access_token! }, portal)) as { active?: unknown }
        if (active !== true) failures.push(`${(w.now() - start) / 1000} s: inactive`)
        kids.add(readJws(one.access_token!, accessTokenRules()).kid!)
        if (!(await readers[step % 10]!(one.access_token!))) unknown.push(`${(w.now() - start) / 1000} s, reader ${step % 10}`)
      }
      w.advance(STEP_MS)
    }
    expect(failures).toEqual([])
    expect(unknown).toEqual([])
    // It was no easy weather.
    expect(requests).toBeGreaterThan(2400)
    expect(Object.values(rotations).every((n) => n >= 3)).toBe(true)
    expect(kids.size).toBe(rotations.signing + 1)
    // The family lived through all of it; its first token is long since another's.
    expect((await token(device, 0, { grant_type: 'refresh_token', refresh_token: oldest })).error).toBe('invalid_grant')
  }, 300_000)

  it('a lost refresh is repeated with the same bytes across a turn of the sealing key', async () => {
    const { w, stores, nodes, contextOf } = await setup()
    const device = await w.device()
    const nonceOf = async (node: number) => {
      const { keys, runtime, tenant } = await contextOf(node)
      return sharedNonces({ keys, crypto: runtime.crypto, clock: runtime.clock, tenant, issuer: ISSUER, role: 'as' }).issue()
    }
    const refresh = async (refresh_token: string, node: number): Promise<string> => {
      const dpop = await device.proof(`${ISSUER}/token`, { nonce: await nonceOf(node) })
      const body = new URLSearchParams({ client_id: device.id, grant_type: 'refresh_token', refresh_token })
      const headers = { 'content-type': 'application/x-www-form-urlencoded', dpop }
      const reply = await nodes[node]!.fetch(new Request(`${ISSUER}/token`, { method: 'POST', body, headers }))
      return ((await reply.json()) as { refresh_token: string }).refresh_token
    }
    const context = await contextOf(0)
    const client = (await context.clients.find(device.id))!
    const login = { subject: 'user-1', authTime: w.now(), acr: 'level2', amr: ['pin'] }
    const code = await issueCode(
      { client, login, scope: ['accounts'], resource: API, codeChallenge: CHALLENGE, redirectUri: null, dpopJkt: null },
      context,
    )
    const dpop = await device.proof(`${ISSUER}/token`, { nonce: await nonceOf(0) })
    const body = new URLSearchParams({ client_id: device.id, grant_type: 'authorization_code', code, code_verifier: VERIFIER })
    const headers = { 'content-type': 'application/x-www-form-urlencoded', dpop }
    const first = (await (await nodes[0]!.fetch(new Request(`${ISSUER}/token`, { method: 'POST', body, headers }))).json()) as {
      refresh_token: string
    }
    await rotateKeys(stores[0]!, 'long')
    w.advance(LEAD_MS - SKEW_MS)
    const lost = await refresh(first.refresh_token, 1)
    w.advance(2 * SKEW_MS)
    expect((await contextOf(1)).keys.long.published(w.now() - SKEW_MS)).toHaveLength(2)
    expect(await refresh(first.refresh_token, 0)).toBe(lost)
    expect(await refresh(lost, 1)).toMatch(/^pr_/)
    expect(RETAIN_MS.long).toBeGreaterThan(365 * 86_400_000)
  })
})
