/** What clients, users and operators of a bank do, one flow each, while its store lies. */
import { CIBA_GRANT, decideCiba, deliver } from '@postern/tokens/ciba'
import { claimUserCode, DEVICE_GRANT, decideDevice } from '@postern/tokens/device'
import { rotateKeys, tendKeys } from '@postern/tokens/keys'
import { logOut } from '@postern/tokens/logout'
import { usePermission } from '@postern/tokens/permission'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { expect } from 'vitest'
import { good, granted, queryOf } from '../authorization.js'
import { BEARER, PARTNER, SCOPE, tried } from '../bank.js'
import { ACCESS_TOKEN, EXCHANGE } from '../exchanging.js'
import { granted as yes } from '../waiting.js'
import { type Answer, ISSUER, VERIFIER } from '../world.js'
import type { Holder, Root, Scene } from './walk.js'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const no = { outcome: 'denied', subject: 'user-1' } as const

/** Each by its name, equally likely. */
export function flowsOf(s: Scene): Readonly<Record<string, () => Promise<void>>> {
  const { bank: b, below, devices, holders, roots, managed, secrets, node, pick, times, post, json, once, committed, began } = s
  const { w, asked, keyStores } = b
  const part = places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })
  const holderOf = (id: string): Holder => holders.find((holder) => holder.id === id)!
  let serial = 0
  /** A session that may have ended is over for the host, and another begins. */
  const sessions = ['session1', 'session2']
  const endingSession = async (i: number, run: (sid: string) => Promise<unknown>) => {
    const sid = sessions[i]!
    sessions[i] = `session${3 + serial++}`
    return run(sid)
  }

  const redeemed = async (holder: Holder, code: string, made: number, sid: string | null): Promise<void> => {
    secrets.add(code)
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER }
    const redirect_uri = holder.instance ? {} : { redirect_uri: `https://${holder.id}.example.com/cb` }
    const { won, alone } = await once('a code', 3, () => holder.token({ ...form, ...redirect_uri }, node()))
    if (won !== null) await began(holder, won.body, made, sid, alone)
  }

  /** Polls until it is told something for good. */
  async function polled(holder: Holder, form: Record<string, string>): Promise<void> {
    const made = s.tick()
    const answers: Answer[] = []
    for (let i = 0; i < 4; i++) {
      answers.push(...(await times(2, () => holder.token(form, node()))))
      if (answers.some(({ status, body }) => status === 200 || body.error === 'access_denied')) break
      w.advance(10_000)
    }
    const won = answers.filter(({ status }) => status === 200)
    expect(won.length, 'redemptions of one request').toBeLessThanOrEqual(1)
    if (won.length > 0) await began(holder, won[0]!.body, made, null, false)
  }
  async function revokedByHolder({ holder, newest }: Root): Promise<boolean> {
    return (await holder.post('/revoke', { token: newest! }, node())).status === 200
  }

  const flows: Readonly<Record<string, () => Promise<void>>> = {
    async login() {
      const holder = pick(holders.slice(0, 5))!
      const sid = pick(sessions)!
      const scope = holder.instance
        ? ['openid', 'offline_access', 'accounts', 'payments']
        : SCOPE.filter((_, i) => i !== 1 || below(2) === 0)
      const redirectUri = holder.instance ? null : `https://${holder.id}.example.com/cb`
      const made = w.code(holder.id, { scope, redirectUri, login: holder.instance ? {} : { sid } })
      const overtaken = (error: { code?: string }): null => {
        if (error.code === 'tokens.denied' && !sessions.includes(sid)) return null
        throw error
      }
      const code = await tried(made.catch(overtaken))
      if (code !== null) await redeemed(holder, code, s.tick(), holder.instance ? null : sid)
    },
    login2: () => flows.login!(),
    async pushedRequest() {
      const portal = holderOf('portal')
      const form = { ...good, redirect_uri: 'https://portal.example.com/cb', scope: 'openid accounts payments' }
      const { body } = await portal.post('/par', form, node())
      if (body.request_uri === undefined) return
      const query = new URLSearchParams({ client_id: 'portal', request_uri: body.request_uri })
      const page = await w.nodes[node()]!.fetch(new Request(`${ISSUER}/authorize?${query}`))
      const cookie = page.headers.get('set-cookie')?.split(';')[0]
      if (page.status !== 200 || cookie === undefined) return
      const handle = await page.text()
      const ended = await times(3, () =>
        w.nodes[node()]!.resume(
          handle,
          granted(w, { scope: ['openid', 'accounts'] }),
          new Request(`${ISSUER}/login`, { headers: { cookie } }),
        ),
      )
      const codes = new Set(ended.flatMap((reply) => (reply.status === 303 ? (queryOf(reply).get('code') ?? []) : [])))
      expect(codes.size, 'codes of one request').toBeLessThanOrEqual(1)
      for (const code of codes) await redeemed(portal, code, s.tick(), null)
    },
    async refresh() {
      const root = pick(roots.filter(({ newest }) => newest !== null))
      if (root === undefined) return
      const older = below(12) === 0 ? pick([...root.successors.keys()]) : undefined
      if (older !== undefined) root.honest = false
      const token = older ?? root.newest!
      const answers = await times(1 + below(3), () =>
        root.holder.token({ grant_type: 'refresh_token', refresh_token: token }, node()),
      )
      const seen = root.successors.get(token) ?? new Set()
      root.successors.set(token, seen)
      for (const { status, body } of answers) {
        if (status !== 200) continue
        await committed(body)
        seen.add(body.refresh_token)
        root.access.push(body.access_token)
        if (token === root.newest) root.newest = body.refresh_token
      }
      // Without a bound key a lost reply can be repeated for a minute alone, which this client may let go by.
      if (!root.holder.instance && !answers.some(({ status }) => status === 200)) root.honest = false
      expect(seen.size, 'successors of one token').toBeLessThanOrEqual(1)
    },
    refresh2: () => flows.refresh!(),
    refresh3: () => flows.refresh!(),
    async device() {
      const tv = holderOf('tv')
      const { body } = await tv.post('/device_authorization', { scope: 'openid offline_access accounts' }, node())
      if (body.device_code === undefined) return
      const claims = await times(2, (i) =>
        tried(claimUserCode({ userCode: body.user_code, subject: `user-${i + 1}` }, w.contexts[node()]!), /^user_code\./),
      )
      const id = claims.find((claim) => claim !== null)?.id
      expect(claims.filter((claim) => claim !== null).length, 'claimers').toBeLessThanOrEqual(1)
      if (id === undefined) return
      const decided = await times(3, () => tried(decideDevice(id, below(4) === 0 ? no : yes(), w.contexts[node()]!), /./))
      expect(decided.filter((one) => one?.first).length, 'decisions').toBeLessThanOrEqual(1)
      expect(new Set(decided.flatMap((one) => one?.status ?? [])).size, 'terminal states').toBeLessThanOrEqual(1)
      await polled(tv, { grant_type: DEVICE_GRANT, device_code: body.device_code })
    },
    async backchannel() {
      const client = holderOf(pick(['polls', 'pinged', 'pushed'])!)
      const form = {
        scope: 'openid offline_access accounts',
        login_hint: 'user-1',
        binding_message: `m${serial++}`,
        client_notification_token: 'n'.repeat(32),
      }
      const { body } = await client.post('/bc-authorize', form, node())
      const ask = asked.find(({ bindingMessage }) => bindingMessage === form.binding_message)
      if (body.auth_req_id === undefined || ask === undefined) return
      const decided = await times(3, () => tried(decideCiba(ask.id, below(4) === 0 ? no : yes(), w.contexts[node()]!), /^ciba\./))
      expect(decided.filter((one) => one?.first).length, 'decisions').toBeLessThanOrEqual(1)
      expect(new Set(decided.flatMap((one) => one?.status ?? [])).size, 'terminal states').toBeLessThanOrEqual(1)
      if (client.id !== 'pushed') await polled(client, { grant_type: CIBA_GRANT, auth_req_id: body.auth_req_id })
    },
    async delivery() {
      await times(2, (i) => tried(deliver(w.contexts[i]!)))
      await times(2, (i) => tried(w.nodes[i]!.sweep(w.contexts[i]!)))
    },
    async assertion() {
      const claims = { iss: 'signed', sub: 'signed', aud: ISSUER, exp: Math.floor(w.now() / 1000) + 60, jti: `c${serial++}` }
      const client_assertion = await b.assert('client', claims)
      const form = { grant_type: 'client_credentials', scope: 'accounts', client_assertion, client_assertion_type: TYPE }
      await once('an assertion', 3, () => post('signed', '/token', form, {}, node()))
    },
    async bearer() {
      const claims = { iss: PARTNER, sub: 'ada', aud: ISSUER, exp: Math.floor(w.now() / 1000) + 60, jti: `b${serial++}` }
      const form = { grant_type: BEARER, assertion: await b.assert('partner', claims), scope: 'accounts' }
      await once('a bearer assertion', 3, () => holderOf('portal').token(form, node()))
    },
    async exchange() {
      const root = pick(roots.filter(({ holder, scope }) => !holder.instance && scope.includes('accounts')))
      if (root === undefined) return
      const form = {
        grant_type: EXCHANGE,
        subject_token: pick(root.access)!,
        subject_token_type: ACCESS_TOKEN,
        scope: 'accounts',
      }
      const { status, body } = await holderOf('api').token(form, node())
      if (status !== 200) return
      await committed(body)
      expect(body.scope).toBe('accounts')
      root.access.push(body.access_token)
    },
    async nativeSso() {
      const root = pick(roots.filter(({ deviceSecret }) => deviceSecret !== undefined))
      if (root === undefined) return
      const shop = holderOf('shop')
      const form = {
        grant_type: EXCHANGE,
        audience: ISSUER,
        subject_token: root.idToken!,
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        actor_token: root.deviceSecret!,
        actor_token_type: 'urn:openid:params:token-type:device-secret',
        scope: 'openid offline_access accounts',
      }
      const { status, body } = await shop.token(form, node())
      // What ends the login it comes from may end it, too.
      if (status === 200) await began(shop, body, s.tick(), null, false)
    },
    async permission() {
      const root = pick(roots.filter(({ scope }) => scope.includes('payments')))
      if (root === undefined) return
      const token = root.access.at(-1)!
      const used = await times(2, () =>
        tried(usePermission({ token, permission: 'payments' }, w.contexts[node()]!), /^(token|permission)\./),
      )
      root.uses += used.filter((one) => one !== null).length
      expect(root.uses, 'uses').toBeLessThanOrEqual(2)
    },
    async registration() {
      const claims = { iss: PARTNER, jti: `s${serial++}`, exp: Math.floor(w.now() / 1000) + 600, software_id: 'approved' }
      const web = {
        redirect_uris: ['https://rp.example.com/cb'],
        client_name: 'RP',
        scope: 'openid',
        software_statement: await b.assert('partner', claims),
      }
      const { won } = await once('a software statement', 3, () => json('POST', '/register', web))
      if (won !== null)
        managed.set(won.body.client_id, { registration: won.body.registration_access_token, secret: won.body.client_secret })
    },
    async management() {
      const id = pick([...managed.keys()])
      if (id === undefined) return
      const { registration, secret } = managed.get(id)!
      const web = { client_id: id, redirect_uris: ['https://rp.example.com/cb'], client_name: `RP ${serial++}`, scope: 'openid' }
      for (const { status, body } of await times(2, () => json('PUT', `/register/${id}`, web, registration)))
        if (status === 200) managed.set(id, { registration: body.registration_access_token, secret })
    },
    async revocation() {
      const root = pick(roots)
      if (root === undefined) return
      const { id, instance } = root.holder
      const family = root.tags.at(-1)!
      const targets: readonly (readonly [tag: string, run: () => Promise<unknown>])[] = [
        ...(root.newest === null ? [] : [[family, () => revokedByHolder(root)] as const]),
        ...(instance
          ? ([
              [`instance ${id}`, () => revoke({ owner: part.device(id) }, w.contexts[node()]!)],
              [`user on ${id}`, () => revoke({ owner: part.device(id), subject: 'user-1' }, w.contexts[node()]!)],
            ] as const)
          : ([
              [`client ${id}`, async () => revoke({ owner: await part.user('user-1'), client: id }, w.contexts[node()]!)],
              [
                `session ${sessions[0]}`,
                () => endingSession(0, (sid) => logOut({ subject: 'user-1', sid }, w.contexts[node()]!)),
              ],
              [
                `session ${sessions[1]}`,
                () => endingSession(1, async (sid) => revoke({ owner: await part.user('user-1'), sid }, w.contexts[node()]!)),
              ],
            ] as const)),
        ...(below(4) === 0
          ? ([
              ['user', async () => revoke({ owner: await part.user('user-1') }, w.contexts[node()]!)],
              ['everywhere', () => revoke({ subject: 'user-1', devices: devices.map((one) => one.id) }, w.contexts[node()]!)],
            ] as const)
          : []),
      ]
      const [tag, run] = pick(targets)!
      await s.ending(tag, run)
    },
    async keys() {
      const store = pick(keyStores)!
      await tried(rotateKeys(store, pick(['signing', 'long', 'short'] as const)!), /^keys\.(conflict|invalid)$/)
      await tried(tendKeys(keyStores[node()]!), /^keys\.conflict$/)
    },
    async time() {
      w.advance(pick([1000, 20_000, 60_000])!)
    },
  }
  return flows
}
