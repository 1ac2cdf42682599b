/** The interoperability scenarios of OpenID AuthZEN 1.0 (todo, search) and the figures of the obligations profile, over real HTTP. */
import {
  type AuthZenEntity,
  type AuthZenOptions,
  type AuthZenQuestion,
  authzen,
  permitBeforeStepUp,
} from '@postern/policy/authzen'
import { compile } from '@postern/policy/compile'
import type { PolicyDocument, Rule } from '@postern/policy/document'
import { defineSchema, type SchemaSpec } from '@postern/policy/schema'
import { afterAll, describe, expect, it } from 'vitest'
import { type Served, serve } from '../served.js'
import { allow, doc } from '../small.js'
import { missing, vector } from './files.js'

const served: Served[] = []
afterAll(() => Promise.all(served.map(({ close }) => close())))
const start = async <S extends SchemaSpec>(o: Omit<AuthZenOptions<S>, 'pdp' | 'decisionId'>): Promise<Served> => {
  let n = 0
  const one = await serve(authzen({ pdp: 'https://pdp.example.com', decisionId: () => `d${n++}`, ...o } as AuthZenOptions<S>))
  served.push(one)
  return one
}
interface Vector {
  // biome-ignore lint/suspicious/noExplicitAny: as published
  readonly request: any
  // biome-ignore lint/suspicious/noExplicitAny: as published
  readonly expected: any
}
const load = (file: string, member = 'evaluation'): readonly Vector[] =>
  missing ? [] : (JSON.parse(vector(`authzen/${file}`)) as Record<string, Vector[]>)[member]!

describe.skipIf(missing)('the todo scenario', () => {
  const people: Readonly<Record<string, readonly [email: string, ...roles: string[]]>> = {
    CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: ['rick@the-citadel.com', 'admin', 'evil_genius'],
    CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: ['morty@the-citadel.com', 'editor'],
    CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: ['summer@the-smiths.com', 'editor'],
    CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: ['beth@the-smiths.com', 'viewer'],
    CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: ['jerry@the-smiths.com', 'viewer'],
  }
  const schema = defineSchema({
    id: 'todo',
    facts: {
      action: {
        type: 'enum',
        mandatory: true,
        values: ['can_read_user', 'can_read_todos', 'can_create_todo', 'can_update_todo', 'can_delete_todo'],
      },
      roles: { type: 'set', members: ['admin', 'evil_genius', 'editor', 'viewer'] },
      user: { type: 'open' },
      owner: { type: 'open' },
      owns: { type: 'bool', derive: { revision: 1, from: ['user', 'owner'], compute: ({ user, owner }) => user === owner } },
    },
  })
  const policy = compile(
    schema,
    doc([
      allow('read', { action: ['can_read_user', 'can_read_todos'] }),
      allow('create', { action: 'can_create_todo', roles: { hasAny: ['admin', 'editor'] } }),
      allow('update-any', { action: 'can_update_todo', roles: { has: 'evil_genius' } }),
      allow('delete-any', { action: 'can_delete_todo', roles: { has: 'admin' } }),
      allow('own', { action: ['can_update_todo', 'can_delete_todo'], roles: { has: 'editor' }, owns: true }),
    ]),
  )
  const facts = ({ subject, action, resource }: AuthZenQuestion) => {
    const [user, ...roles] = people[subject.id] ?? []
    const owner = resource.properties?.['ownerID']
    return user === undefined
      ? null
      : ({ action: action.name, user, roles, ...(typeof owner === 'string' ? { owner } : {}) } as never)
  }

  it('40 single decisions', async () => {
    const { post } = await start({ policy: () => policy, facts })
    const cases = load('todo-decisions-1_0-02.json')
    expect(cases.length).toBe(40)
    for (const { request, expected } of cases) {
      const { status, body } = await post('/access/v1/evaluation', request)
      expect([request, status, body.decision]).toEqual([request, 200, expected])
    }
  })

  it('3 batches', async () => {
    const { post } = await start({ policy: () => policy, facts })
    const cases = load('todo-decisions-1_0-02.json', 'evaluations')
    expect(cases.length).toBe(3)
    for (const { request, expected } of cases) {
      const { body } = await post('/access/v1/evaluations', request)
      expect(body.evaluations.map(({ decision }: { decision: boolean }) => ({ decision }))).toEqual(expected)
    }
  })
})

interface User {
  readonly id: string
  readonly role: 'manager' | 'employee' | 'contractor'
  readonly department: string
}
interface Held {
  readonly id: number
  readonly department: string
  readonly owner: string
}

describe.skipIf(missing)('the search scenario', () => {
  const users = missing ? [] : (JSON.parse(vector('authzen/search-users.json')) as User[])
  const records = missing ? [] : (JSON.parse(vector('authzen/search-records.json')) as Held[])
  const schema = defineSchema({
    id: 'search',
    facts: {
      action: { type: 'enum', mandatory: true, values: ['view', 'edit', 'delete'] },
      role: { type: 'enum', values: ['manager', 'employee', 'contractor'] },
      user: { type: 'open' },
      owner: { type: 'open' },
      'user.department': { type: 'open' },
      'record.department': { type: 'open' },
      owns: { type: 'bool', derive: { revision: 1, from: ['user', 'owner'], compute: ({ user, owner }) => user === owner } },
      colleagues: {
        type: 'bool',
        derive: {
          revision: 1,
          from: ['user.department', 'record.department'],
          compute: (f) => f['user.department'] === f['record.department'],
        },
      },
    },
  })
  const policy = compile(
    schema,
    doc([
      allow('own', { owns: true }),
      allow('see-all', { action: 'view', role: 'manager' }),
      allow('see-department', { action: 'view', colleagues: true }),
      allow('edit-department', { action: 'edit', role: 'manager', colleagues: true }),
    ]),
  )
  const facts = ({ subject, action, resource }: AuthZenQuestion) => {
    const user = users.find(({ id }) => id === subject.id)
    const record = records.find(({ id }) => String(id) === resource.id)
    if (!user || !record) return null
    return {
      action: action.name,
      role: user.role,
      user: user.id,
      owner: record.owner,
      'user.department': user.department,
      'record.department': record.department,
    } as never
  }
  const all = (of: 'user' | 'record'): AuthZenEntity[] =>
    (of === 'user' ? users : records).map(({ id }) => ({ type: of, id: String(id) }))
  async function* from(list: readonly AuthZenEntity[], after: string | null): AsyncIterable<AuthZenEntity> {
    yield* list.slice(after === null ? 0 : list.findIndex(({ id }) => id === after) + 1)
  }
  const pages = {
    seal: async (text: string) => Buffer.from(text).toString('base64url'),
    open: async (token: string) => Buffer.from(token, 'base64url').toString(),
  }
  const pdp = (o: Partial<AuthZenOptions<(typeof schema)['spec']>> = {}) =>
    start({
      policy: () => policy,
      facts,
      pages,
      ...o,
      subjects: ({ subject }, after) => from(subject.type === 'user' ? all('user') : [], after),
      resources: ({ resource }, after) => from(resource.type === 'record' ? all('record') : [], after),
    })

  it.each([
    ['subject', 60],
    ['resource', 18],
    ['action', 120],
  ])('%s search: %i results', async (kind, count) => {
    const { post } = await pdp()
    const cases = load(`search-${kind}-results.json`)
    expect(cases.length).toBe(count)
    for (const { request, expected } of cases) {
      const { status, body } = await post(`/access/v1/search/${kind}`, request)
      expect([request, status, body.results]).toEqual([request, 200, expected.results])
    }
  })

  it.each(['subject', 'resource'])('%s search, what is known settled before the candidates, finds the same', async (kind) => {
    const { post } = await pdp({
      known: (search) => {
        const user = 'id' in search.subject ? users.find(({ id }) => id === (search.subject as AuthZenEntity).id) : undefined
        const record =
          'id' in search.resource ? records.find(({ id }) => String(id) === (search.resource as AuthZenEntity).id) : undefined
        return {
          action: search.action.name,
          ...(user ? { role: user.role, user: user.id, 'user.department': user.department } : {}),
          ...(record ? { owner: record.owner, 'record.department': record.department } : {}),
        } as never
      },
    })
    for (const { request, expected } of load(`search-${kind}-results.json`))
      expect((await post(`/access/v1/search/${kind}`, request)).body.results).toEqual(expected.results)
  })

  it.each(['subject', 'resource'])('%s search, a result a page, finds the same', async (kind) => {
    const { post } = await pdp()
    for (const { request, expected } of load(`search-${kind}-results.json`)) {
      const found: unknown[] = []
      for (let token: string | undefined = undefined as string | undefined; token !== ''; ) {
        const { body } = await post(`/access/v1/search/${kind}`, { ...request, page: { limit: 1, ...(token ? { token } : {}) } })
        expect(body.results.length).toBeLessThanOrEqual(1)
        found.push(...body.results)
        token = body.page.next_token as string
      }
      expect(found).toEqual(expected.results)
    }
  })
})

interface Figure {
  readonly fig: string
  // biome-ignore lint/suspicious/noExplicitAny: as published
  readonly json: any
}

describe.skipIf(missing)('the figures of the obligations profile', () => {
  const figures = missing ? [] : (JSON.parse(vector('authzen/obligations-examples.json')) as Figure[])
  const figure = (fig: string) => figures.find((one) => one.fig === fig)!.json
  const schema = defineSchema({
    id: 'records',
    facts: {
      action: { type: 'enum', mandatory: true, values: ['view', 'export', 'alert', 'end', 'pay', 'read'] },
      record: { type: 'open' },
      'authenticator.methods': { type: 'set', members: ['mfa', 'hwk'] },
      'authenticator.usable': { type: 'set', members: ['mfa', 'hwk'] },
      'authenticator.acr': { type: 'int', min: 0 },
      'authenticator.ageSec': { type: 'int', min: 0 },
    },
  })
  const up = (id: string, when: object, anyOf: string[][]): Rule => ({
    id,
    mode: 'enforce',
    effect: 'require',
    reason: 'step_up',
    when: when as never,
    require: { acr: 3, anyOf },
  })
  const advice = (id: string, action: string): Rule => ({ ...allow(id, { action }), attach: [{ type: 'notification', id }] })
  const document: PolicyDocument = doc(
    [
      up('pay', { action: 'pay' }, [['mfa']]),
      up('read', { action: 'read', record: '123' }, [['mfa', 'hwk']]),
      allow('view', { action: ['view', 'pay', 'read'] }),
      advice('watermark', 'export'),
      advice('notify', 'alert'),
      { ...advice('terminate', 'end'), effect: 'deny', reason: 'policy.denied' } as Rule,
    ],
    { acr: { levels: { mfa: 3, 'hwk+mfa': 3 } }, fallback: [] },
  )
  const policy = compile(schema, document)
  const made: Readonly<Record<string, string>> = {
    watermark: 'fig-obligation-custom',
    notify: 'fig-obligation-notification',
    terminate: 'fig-obligation-session-termination',
  }
  const options = {
    policy: () => policy,
    facts: ({ action, resource }: AuthZenQuestion) =>
      ({
        action: action.name,
        record: resource.id,
        'authenticator.methods': [],
        'authenticator.usable': ['mfa', 'hwk'],
      }) as never,
    names: { acr: (level: number) => `urn:com:example:loa:${level}` },
    obligations: {
      types: ['notification', 'session_termination', 'custom'],
      of: (one: { readonly type: string; readonly id?: string }) => {
        const { type, properties } = figure(made[one.id!]!)
        return { type, properties }
      },
    },
    resources: async function* () {
      yield { type: 'account', id: '123' }
      yield { type: 'account', id: '456' }
    },
  }
  const ask = (action: string, ...supported_obligations: string[]) => ({
    subject: { type: 'user', id: 'jdoe' },
    action: { name: action },
    resource: { type: 'account', id: '123' },
    context: { supported_obligations },
  })
  const types = ['step-up', 'notification', 'session_termination', 'custom']

  it('are twelve', () => expect(figures.length).toBe(12))

  it('fig-obligations-envelope, fig-obligation-notification, -session-termination, -custom, fig-example-grant-transform', async () => {
    const { post } = await start(options)
    for (const [action, fig, decision] of [
      ['alert', 'fig-obligation-notification', true],
      ['end', 'fig-obligation-session-termination', false],
      ['export', 'fig-obligation-custom', true],
    ] as const) {
      const { body } = await post('/access/v1/evaluation', ask(action, ...types))
      expect(body.decision).toBe(decision)
      expect(body.context.obligations).toEqual([{ ...figure(fig), id: 'obl-1' }])
      expect(Object.keys(body.context.obligations[0]).sort()).toEqual(
        Object.keys(figure('fig-obligations-envelope').context.obligations[0]).sort(),
      )
    }
    const { body } = await post('/access/v1/evaluation', ask('export', ...types))
    const transform = figure('fig-example-grant-transform')
    expect([body.decision, body.context.obligations[0].type, body.context.obligations[0].id]).toEqual([
      transform.decision,
      transform.context.obligations[0].type,
      transform.context.obligations[0].id,
    ])
    expect(Object.keys(body.context.obligations[0].properties)).toEqual(Object.keys(transform.context.obligations[0].properties))
  })

  it('fig-example-deny-stepup: a step-up that is due is a refusal', async () => {
    const { post } = await start(options)
    const { body } = await post('/access/v1/evaluation', ask('pay', 'step-up'))
    const { obligations } = body.context
    expect({ decision: body.decision, context: { obligations } }).toEqual(figure('fig-example-deny-stepup'))
  })

  it('fig-obligation-step-up, fig-obligation-search-items: a result with its obligation, where that was agreed', async () => {
    const { post } = await start({ ...options, [permitBeforeStepUp]: true })
    const { context: _, ...question } = ask('read')
    const search = { ...question, resource: { type: 'account' }, context: { supported_obligations: types } }
    const { body } = await post('/access/v1/search/resource', search)
    // The methods of a list have no order; ours are sorted.
    body.results[0].obligations[0].properties.amr_values.reverse()
    expect(body.results).toEqual(figure('fig-obligation-search-items').results)
    expect(body.results[0].obligations).toEqual([figure('fig-obligation-step-up')])
    expect(body.page.count).toBe(figure('fig-obligation-search-items').page.count)
    // Not agreed: the result is not one.
    const plain = await (await start(options)).post('/access/v1/search/resource', search)
    expect(plain.body.results).toEqual([{ type: 'account', id: '456' }])
  })

  it('fig-metadata-example, fig-example-metadata: what it can oblige to is announced', async () => {
    const { get } = await start(options)
    const { body } = await get('/.well-known/authzen-configuration')
    expect(body.supported_obligations).toEqual(figure('fig-metadata-example').supported_obligations)
    const { policy_decision_point, supported_obligations } = figure('fig-example-metadata')
    expect(body.policy_decision_point).toBe(policy_decision_point)
    expect(body.supported_obligations).toEqual(expect.arrayContaining(supported_obligations))
  })

  it('fig-request-negotiation, fig-example-negotiation: nobody is obliged to what they have not said they can', async () => {
    const { post } = await start(options)
    const negotiated = (fig: string, action: string) => ({ ...ask(action), context: figure(fig).context })
    const both = await post('/access/v1/evaluation', negotiated('fig-request-negotiation', 'pay'))
    expect(both.body.context.obligations.map(({ type }: { type: string }) => type)).toEqual(['step-up'])
    const one = await post('/access/v1/evaluation', negotiated('fig-example-negotiation', 'pay'))
    expect([one.body.decision, one.body.context.obligations, one.body.context.reason]).toEqual([
      false,
      undefined,
      'step_up_required',
    ])
    const view = await post('/access/v1/evaluation', figure('fig-example-negotiation'))
    expect([view.body.decision, view.body.context.obligations]).toEqual([true, undefined])
  })
})
