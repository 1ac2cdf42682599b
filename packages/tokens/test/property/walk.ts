/** A walk through everything that the server does, under one seed, and what may never be seen on the way. */

import type { Store } from '@postern/store'
import { CIBA_GRANT, decideCiba, deliver } from '@postern/tokens/ciba'
import { claimUserCode, DEVICE_GRANT, decideDevice } from '@postern/tokens/device'
import { rotateKeys, tendKeys } from '@postern/tokens/keys'
import { logOut } from '@postern/tokens/logout'
import { usePermission } from '@postern/tokens/permission'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { expect } from 'vitest'
import { readOwnToken } from '../../src/internal/accessToken.js'
import { openRefreshToken } from '../../src/internal/family.js'
import { kitOf } from '../../src/internal/kit.js'
import { good, granted, queryOf } from '../authorization.js'
import { type Bank, BEARER, bank, PARTNER, SCOPE, tried } from '../bank.js'
import { ACCESS_TOKEN, EXCHANGE } from '../exchanging.js'
import { granted as yes } from '../waiting.js'
import { type Answer, basic, type Device, ISSUER, SECRET, VERIFIER } from '../world.js'

/** Numbers of one seed: below `n`, the same again for the same seed. */
export type Below = (n: number) => number

/** One grant and all that came of it. */
interface Root {
  readonly holder: Holder
  readonly scope: readonly string[]
  /** What would end it. */
  readonly tags: readonly string[]
  /** The instant after which it may exist. */
  readonly made: number
  readonly access: string[]
  /** Each refresh token that was used, with the successors that it brought. */
  readonly successors: Map<string, Set<string>>
  newest: string | null
  readonly idToken?: string
  readonly deviceSecret?: string
  /** Its holder did nothing but use its newest token: it must live until somebody revokes it. */
  honest: boolean
  uses: number
}
interface Holder {
  readonly id: string
  readonly instance: boolean
  token(form: Record<string, string>, node: number): Promise<Answer>
  post(path: string, form: Record<string, string>, node: number): Promise<Answer>
}

export interface Walk {
  readonly bank: Bank
  readonly roots: Root[]
  /** What happened, in order: the same again for the same seed. */
  readonly story: string[]
  /** Whatever was given out that lets its bearer do anything. */
  readonly secrets: ReadonlySet<string>
  step(): Promise<void>
  /** Lets the network speak the truth, and everything that is under way arrive. */
  calm(): Promise<void>
  judge(): Promise<void>
}

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const GIVEN =
  'access_token refresh_token id_token device_secret device_code user_code auth_req_id request_uri registration_access_token client_secret'.split(
    ' ',
  )
const STATUSES = [200, 201, 204, 303, 400, 401, 403, 503]
const no = { outcome: 'denied', subject: 'user-1' } as const

/** @param over - the store of both nodes; default memory */
export async function walk(seed: number, below: Below, over?: Store): Promise<Walk> {
  const b = await bank(seed, { delay: 0.08, dropBefore: 0.04, dropAfter: 0.04, late: 0.04, duplicate: 0.04 }, over)
  const { w, asked, called, applied, keyStores } = b
  const devices: readonly Device[] = [await w.device(), await w.device()]
  const part = places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })
  const user = await part.user('user-1')
  const roots: Root[] = []
  const story: string[] = []
  const secrets = new Set<string>([SECRET])
  const revoked: { readonly tag: string; readonly began: number }[] = []
  /** Tags of revocations that were tried: they may have happened, whatever the answer. */
  const touched = new Set<string>()
  const managed = new Map<string, { registration: string; secret: string }>()
  let clock = 0
  let serial = 0

  const node = (): number => below(2)
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length || 1)]
  const times = <T>(n: number, run: (i: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: n }, (_, i) => run(i)))
  const tell = (what: string, answer: Answer): Answer => {
    story.push(`${what} ${answer.status} ${answer.body?.error ?? ''}`)
    for (const name of GIVEN) if (typeof answer.body?.[name] === 'string') secrets.add(answer.body[name])
    expect(STATUSES, `${what}: ${answer.status} ${JSON.stringify(answer.body)}`).toContain(answer.status)
    return answer
  }
  const post = async (what: string, path: string, form: Record<string, string>, headers: Record<string, string>, at: number) =>
    tell(what, await w.post(path, form, { node: at, headers }))

  const holders: readonly Holder[] = [
    ...devices.map((device): Holder => {
      const send = async (path: string, form: Record<string, string>, at: number) =>
        post(path, path, { client_id: device.id, ...form }, { dpop: await device.proof(ISSUER + path) }, at)
      return { id: device.id, instance: true, token: (form, at) => send('/token', form, at), post: send }
    }),
    ...['portal', 'shop', 'mail', 'tv', 'polls', 'pinged', 'pushed', 'api'].map((id): Holder => {
      const send = (path: string, form: Record<string, string>, at: number) =>
        post(`${id} ${path}`, path, form, { authorization: basic(id, SECRET) }, at)
      return { id, instance: false, token: (form, at) => send('/token', form, at), post: send }
    }),
  ]
  const holderOf = (id: string): Holder => holders.find((holder) => holder.id === id)!
  const tagsOf = ({ id, instance }: Holder, scope: readonly string[], sid: string | null): readonly string[] =>
    instance
      ? [`instance ${id}`, `user on ${id}`, 'everywhere']
      : ['user', `client ${id}`, 'everywhere', ...(sid !== null && !scope.includes('offline_access') ? [`session ${sid}`] : [])]

  /** No token before its commit: what is in a token has been written by then. */
  async function committed({ access_token, refresh_token }: Record<string, string>): Promise<void> {
    const context = w.contexts[0]!
    const token = await readOwnToken(access_token!, context)
    if (token?.handle.family) {
      const { id, row } = token.handle.family
      expect(row ? applied.has(`fam/${id}`) : [...applied].some((key) => key.startsWith('code/')), 'before its commit').toBe(true)
    }
    if (refresh_token === undefined) return
    const refresh = (await openRefreshToken(kitOf(context), refresh_token))!
    expect(applied.has(`fam/${refresh.family.id} ${refresh.rev}`), 'before its commit').toBe(true)
  }
  async function began(
    holder: Holder,
    body: Record<string, string>,
    made: number,
    sid: string | null,
    honest: boolean,
  ): Promise<Root> {
    await committed(body)
    const scope = body.scope!.split(' ')
    const root: Root = {
      holder,
      scope,
      tags: [...tagsOf(holder, scope, sid), `family ${roots.length}`],
      made,
      access: [body.access_token!],
      successors: new Map(),
      newest: body.refresh_token ?? null,
      ...(body.id_token !== undefined && { idToken: body.id_token }),
      ...(body.device_secret !== undefined && { deviceSecret: body.device_secret }),
      honest,
      uses: 0,
    }
    roots.push(root)
    return root
  }
  /** Sends what counts once, so often: one success at most. @returns its answer, and whether nobody else tried after it */
  async function once(what: string, tries: number, send: (i: number) => Promise<Answer>) {
    const answers = below(3) === 0 ? await times(tries, send) : []
    for (let i = 0; answers.length === 0 || (i < tries && answers.at(-1)!.status === 503); i++) answers.push(await send(i))
    const won = answers.filter(({ status }) => status === 200 || status === 201)
    expect(won.length, `${what} counts once`).toBeLessThanOrEqual(1)
    return { won: won[0] ?? null, alone: answers.length === 1 }
  }

  const redeemed = async (holder: Holder, code: string, made: number, sid: string | null): Promise<void> => {
    secrets.add(code)
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER }
    const redirect_uri = holder.instance ? {} : { redirect_uri: `https://${holder.id}.example.com/cb` }
    const { won, alone } = await once('a code', 3, () => holder.token({ ...form, ...redirect_uri }, node()))
    if (won !== null) await began(holder, won.body, made, sid, alone)
  }

  const flows: Readonly<Record<string, () => Promise<void>>> = {
    async login() {
      const holder = pick(holders.slice(0, 5))!
      const sid = below(2) === 0 ? 'session1' : 'session2'
      const scope = holder.instance
        ? ['openid', 'offline_access', 'accounts', 'payments']
        : SCOPE.filter((_, i) => i !== 1 || below(2) === 0)
      const redirectUri = holder.instance ? null : `https://${holder.id}.example.com/cb`
      const code = await tried(w.code(holder.id, { scope, redirectUri, login: holder.instance ? {} : { sid } }))
      if (code !== null) await redeemed(holder, code, ++clock, holder.instance ? null : sid)
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
      for (const code of codes) await redeemed(portal, code, ++clock, null)
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
      if (status === 200) await began(shop, body, ++clock, null, false)
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
              [`client ${id}`, () => revoke({ owner: user, client: id }, w.contexts[node()]!)],
              ['session session1', () => logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[node()]!)],
              ['session session2', () => revoke({ owner: user, sid: 'session2' }, w.contexts[node()]!)],
            ] as const)),
        ...(below(4) === 0
          ? ([
              ['user', () => revoke({ owner: user }, w.contexts[node()]!)],
              ['everywhere', () => revoke({ subject: 'user-1', devices: devices.map((one) => one.id) }, w.contexts[node()]!)],
            ] as const)
          : []),
      ]
      const [tag, run] = pick(targets)!
      touched.add(tag)
      const at = ++clock
      const done = await tried(run().then((answer) => answer !== false))
      story.push(`revoke ${tag} ${done}`)
      if (done === true) revoked.push({ tag, began: at })
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
  const names = Object.keys(flows)

  /** Polls until it is told something for good. */
  async function polled(holder: Holder, form: Record<string, string>): Promise<void> {
    const made = ++clock
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
  async function json(method: string, path: string, body: object | null, token?: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) }
    const request = new Request(ISSUER + path, { method, headers, body: body && JSON.stringify(body) })
    const reply = await w.nodes[node()]!.fetch(request)
    return tell(`${method} /register`, { status: reply.status, headers: reply.headers, body: await reply.json() })
  }

  b.lying.on = true
  return {
    bank: b,
    roots,
    story,
    secrets,
    async step() {
      await b.current()
      const wave = Array.from({ length: 1 + below(3) }, () => pick(names)!)
      story.push(wave.join(' + '))
      await Promise.all(wave.map((name) => flows[name]!()))
    },
    async calm() {
      b.lying.on = false
      await b.faulty.drain()
      await b.current()
    },
    async judge() {
      const active = async (token: string) => (await w.introspect(token)).body.active
      for (const root of roots) {
        const ended = revoked.some(({ tag, began }) => root.made < began && root.tags.includes(tag))
        if (ended) {
          for (const token of root.access) expect(await active(token), `active after ${root.tags}`).toBe(false)
          if (root.newest !== null) {
            const { body } = await root.holder.token({ grant_type: 'refresh_token', refresh_token: root.newest }, 0)
            expect(body.error, `refreshed after ${root.tags}`).toBe('invalid_grant')
          }
        } else if (root.honest && root.newest !== null && !root.tags.some((tag) => touched.has(tag))) {
          const { status, body } = await root.holder.token({ grant_type: 'refresh_token', refresh_token: root.newest }, 1)
          expect([status, body.error], 'nobody is logged out by the network').toEqual([200, undefined])
          expect(await active(body.access_token)).toBe(true)
        }
      }
      for (const [id, { registration, secret }] of managed) {
        expect((await json('GET', `/register/${id}`, null, registration)).status, 'nobody is locked out of a registration').toBe(
          200,
        )
        const told = await w.post('/introspect', { token: 'x' }, { headers: { authorization: basic(id, secret) } })
        expect(told.status).toBe(200)
      }
      const pushes = new Map<string, Set<string>>()
      for (const { body } of called.filter(({ url }) => url === 'https://pushed.example.com/ciba')) {
        const sent = JSON.parse(body)
        const kinds = pushes.get(sent.auth_req_id) ?? new Set()
        if (sent.error !== undefined) continue
        pushes.set(sent.auth_req_id, kinds.add(sent.refresh_token))
        await committed(sent)
        expect(kinds.size, 'refresh tokens of one push').toBe(1)
      }
    },
  }
}
