/** A walk through everything that the server does, under one seed, and what may never be seen on the way. */

import type { Store } from '@postern/store'
import type { FaultPlan } from '@postern/testkit/faulty'
import { expect } from 'vitest'
import { readOwnToken } from '../../src/internal/accessToken.js'
import { openRefreshToken } from '../../src/internal/family.js'
import { kitOf } from '../../src/internal/kit.js'
import { type Bank, bank, tried } from '../bank.js'
import { type Answer, basic, type Device, ISSUER, SECRET } from '../world.js'
import { flowsOf } from './flows.js'

/** Numbers of one seed: below `n`, the same again for the same seed. */
export type Below = (n: number) => number

/** One grant and all that came of it. */
export interface Root {
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
export interface Holder {
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

const GIVEN =
  'access_token refresh_token id_token device_secret device_code user_code auth_req_id request_uri registration_access_token client_secret'.split(
    ' ',
  )
/** What the network does to calls: most arrive, or a third of the answers do not. */
const WEATHER: FaultPlan = { delay: 0.08, dropBefore: 0.04, dropAfter: 0.04, late: 0.04, duplicate: 0.04 }
const STORM: FaultPlan = { delay: 0.2, dropBefore: 0.02, dropAfter: 0.1, late: 0.1, duplicate: 0.1 }
const STATUSES = [200, 201, 204, 303, 400, 401, 403, 503]

/** What the flows of a walk work with, and report to. */
export interface Scene {
  readonly bank: Bank
  readonly below: Below
  readonly devices: readonly Device[]
  readonly holders: readonly Holder[]
  readonly roots: readonly Root[]
  readonly managed: Map<string, { registration: string; secret: string }>
  readonly secrets: Set<string>
  /** A later instant. */
  tick(): number
  node(): number
  pick<T>(list: readonly T[]): T | undefined
  times<T>(n: number, run: (i: number) => Promise<T>): Promise<T[]>
  post(what: string, path: string, form: Record<string, string>, headers: Record<string, string>, at: number): Promise<Answer>
  json(method: string, path: string, body: object | null, token?: string): Promise<Answer>
  /** Sends what counts once, so often: one success at most. `alone`: nobody else tried. */
  once(
    what: string,
    tries: number,
    send: (i: number) => Promise<Answer>,
  ): Promise<{ readonly won: Answer | null; readonly alone: boolean }>
  /** No token before its commit. */
  committed(body: Record<string, string>): Promise<void>
  began(holder: Holder, body: Record<string, string>, made: number, sid: string | null, honest: boolean): Promise<void>
  /** A revocation of everything with this tag: `null` when the store was the trouble, `false` when it was refused. */
  ending(tag: string, run: () => Promise<unknown>): Promise<void>
}

/** @param over - the store of both nodes; default memory */
export async function walk(seed: number, below: Below, over?: Store): Promise<Walk> {
  const b = await bank(seed, below(3) === 0 ? STORM : WEATHER, over)
  const { w, called, applied } = b
  const devices: readonly Device[] = [await w.device(), await w.device()]
  const roots: Root[] = []
  const story: string[] = []
  const secrets = new Set<string>([SECRET])
  const revoked: { readonly tag: string; readonly began: number }[] = []
  /** Tags of revocations that were tried: they may have happened, whatever the answer. */
  const touched = new Set<string>()
  const managed = new Map<string, { registration: string; secret: string }>()
  let clock = 0

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
  ): Promise<void> {
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
  }
  /** Sends what counts once, so often: one success at most. @returns its answer, and whether nobody else tried after it */
  async function once(what: string, tries: number, send: (i: number) => Promise<Answer>) {
    const answers = below(3) === 0 ? await times(tries, send) : []
    for (let i = 0; answers.length === 0 || (i < tries && answers.at(-1)!.status === 503); i++) answers.push(await send(i))
    const won = answers.filter(({ status }) => status === 200 || status === 201)
    expect(won.length, `${what} counts once`).toBeLessThanOrEqual(1)
    return { won: won[0] ?? null, alone: answers.length === 1 }
  }

  async function ending(tag: string, run: () => Promise<unknown>): Promise<void> {
    touched.add(tag)
    const at = ++clock
    const done = await tried(run().then((answer) => answer !== false))
    story.push(`revoke ${tag} ${done}`)
    if (done === true) revoked.push({ tag, began: at })
  }
  async function json(method: string, path: string, body: object | null, token?: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) }
    const request = new Request(ISSUER + path, { method, headers, body: body && JSON.stringify(body) })
    const reply = await w.nodes[node()]!.fetch(request)
    return tell(`${method} /register`, { status: reply.status, headers: reply.headers, body: await reply.json() })
  }

  const flows = flowsOf({
    bank: b,
    below,
    devices,
    holders,
    roots,
    managed,
    secrets,
    tick: () => ++clock,
    node,
    pick,
    times,
    post,
    json,
    once,
    committed,
    began,
    ending,
  })
  const names = Object.keys(flows)

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
      for (const { url } of called)
        expect(url, 'nobody is called but who registered').toMatch(/^https:\/\/[a-z]+\.example\.com\/(?:ciba|logout)$/)
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
