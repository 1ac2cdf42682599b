/** What AuthZEN leaves to an implementation, and what a liar sends: over real HTTP. */
import {
  type AuthZenEntity,
  type AuthZenOptions,
  type AuthZenQuestion,
  authzen,
  permitBeforeStepUp,
} from '@postern/policy/authzen'
import { compile } from '@postern/policy/compile'
import type { Rule } from '@postern/policy/document'
import { defineSchema } from '@postern/policy/schema'
import { afterAll, describe, expect, it } from 'vitest'
import { type Reply, type Served, serve } from '../served.js'
import { allow, deny, doc } from '../small.js'

const schema = defineSchema({
  id: 'files',
  facts: {
    action: { type: 'enum', mandatory: true, values: ['read', 'write', 'pay'] },
    owner: { type: 'bool' },
    secret: { type: 'bool', secret: true },
    'authenticator.methods': { type: 'set', members: ['pin', 'webauthn'] },
    'authenticator.usable': { type: 'set', members: ['pin', 'webauthn'] },
    'authenticator.acr': { type: 'int', min: 0 },
    'authenticator.ageSec': { type: 'int', min: 0 },
  },
})
const up: Rule = { id: 'up', mode: 'enforce', effect: 'require', reason: 'step_up', when: { action: 'pay' }, require: { acr: 1 } }
const policy = compile(
  schema,
  doc(
    [
      allow('read', { action: ['read', 'pay'] }),
      allow('own', { owner: true }),
      deny('no', { action: 'write', owner: false }),
      up,
    ],
    {
      acr: { levels: { pin: 1, webauthn: 2 } },
      fallback: [],
    },
  ),
  { version: 'sha256:v' },
)
const facts = ({ subject, action, resource }: AuthZenQuestion) =>
  subject.id === 'nobody'
    ? null
    : ({
        action: action.name,
        owner: resource.properties?.['owner'] === subject.id,
        'authenticator.methods': [],
        'authenticator.usable': ['pin', 'webauthn'],
      } as never)

const served: Served[] = []
afterAll(() => Promise.all(served.map(({ close }) => close())))
const start = async (o: Partial<AuthZenOptions<(typeof schema)['spec']>> = {}): Promise<Served> => {
  let n = 0
  const one = await serve(
    authzen({ pdp: 'https://pdp.example.com', policy: () => policy, facts, decisionId: () => `d${++n}`, ...o }),
  )
  served.push(one)
  return one
}
const [subject, resource, read] = [{ type: 'user', id: 'u' }, { type: 'file', id: 'f' }, { name: 'read' }]
const whole = { subject, resource, action: read }
const bad = (reply: Reply) => expect([reply.status, reply.body]).toEqual([400, 'The request is malformed.'])

describe('evaluation', () => {
  it('carries the version that decided and the id of the decision, and no explanation', async () => {
    const { post } = await start()
    expect((await post('/access/v1/evaluation', whole)).body).toEqual({
      decision: true,
      context: { policy_version: 'sha256:v', decision_id: 'd1' },
    })
    expect((await post('/access/v1/evaluation', { ...whole, action: { name: 'write' } })).body).toEqual({
      decision: false,
      context: { policy_version: 'sha256:v', decision_id: 'd2', reason: 'policy.denied' },
    })
  })

  it('explains to callers that the host trusts, and to no other', async () => {
    const { post } = await start({ trusted: (request) => request.headers.get('authorization') === 'Bearer ops' })
    expect((await post('/access/v1/evaluation', whole)).body.context.explanation).toBeUndefined()
    const { body } = await post('/access/v1/evaluation', whole, { authorization: 'Bearer ops' })
    expect(body.context.explanation.rules.map(({ id }: { id: string }) => id)).toContain('own')
  })

  it('a subject that the host does not know, and an action that the schema does not have, are denied', async () => {
    const { post } = await start()
    for (const sent of [
      { ...whole, subject: { type: 'user', id: 'nobody' } },
      { ...whole, action: { name: 'fly' } },
    ]) {
      const { body, status } = await post('/access/v1/evaluation', sent)
      expect([status, body.decision, body.context.reason]).toEqual([200, false, 'unknown'])
    }
  })

  it('an unmet step-up is a refusal: with an obligation if the caller lists it, else with a reason', async () => {
    const { post } = await start()
    const ask = (context?: object) =>
      post('/access/v1/evaluation', { ...whole, action: { name: 'pay' }, ...(context ? { context } : {}) })
    for (const context of [
      undefined,
      {},
      { supported_obligations: [] },
      { supported_obligations: 'step-up' },
      { supported_obligations: ['notification'] },
    ])
      expect((await ask(context)).body).toMatchObject({ decision: false, context: { reason: 'step_up_required' } })
    const { body } = await ask({ supported_obligations: ['step-up'] })
    expect(body.decision).toBe(false)
    // Two ways lead there: a list of methods would say that both must be gone.
    expect(body.context.obligations).toEqual([{ type: 'step-up', id: 'obl-1', properties: { acr_value: '1' } }])
  })

  it('`true` before the step-up needs the option and the negotiation, both', async () => {
    const { post } = await start({ [permitBeforeStepUp]: true })
    const ask = async (supported_obligations: unknown[]) =>
      (await post('/access/v1/evaluation', { ...whole, action: { name: 'pay' }, context: { supported_obligations } })).body
    expect(await ask([])).toMatchObject({ decision: false })
    expect(await ask(['notification'])).toMatchObject({ decision: false })
    expect(await ask(['step-up'])).toMatchObject({ decision: true, context: { obligations: [{ type: 'step-up' }] } })
    // Only where a step-up is what is missing.
    const denied = { ...whole, action: { name: 'write' }, context: { supported_obligations: ['step-up'] } }
    expect((await post('/access/v1/evaluation', denied)).body).toMatchObject({ decision: false })
    // The option cannot arrive as data.
    const plain = await start(JSON.parse('{"permitBeforeStepUp":true,"postern.permitBeforeStepUp":true}') as object)
    const sent = { ...whole, action: { name: 'pay' }, context: { supported_obligations: ['step-up'] } }
    expect((await plain.post('/access/v1/evaluation', sent)).body).toMatchObject({ decision: false })
  })

  it('unknown members are stepped over, at every depth', async () => {
    const { post } = await start()
    const sent = {
      ...whole,
      extra: 1,
      subject: { ...subject, more: [] },
      action: { ...read, x: {} },
      context: { time: 'now', deep: { a: 1 } },
    }
    expect((await post('/access/v1/evaluation', sent)).body.decision).toBe(true)
  })

  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['an array', []],
    [
      'a duplicate member',
      '{"subject":{"type":"a","id":"b"},"subject":{"type":"a","id":"c"},"resource":{"type":"a","id":"b"},"action":{"name":"read"}}',
    ],
    ['a prototype', '{"__proto__":{},"subject":{"type":"a","id":"b"},"resource":{"type":"a","id":"b"},"action":{"name":"read"}}'],
    ['no subject', { resource, action: read }],
    ['no resource', { subject, action: read }],
    ['no action', { subject, resource }],
    ['a subject without id', { ...whole, subject: { type: 'user' } }],
    ['a resource without type', { ...whole, resource: { id: 'f' } }],
    ['an id that is a number', { ...whole, resource: { type: 'file', id: 7 } }],
    ['an action without name', { ...whole, action: {} }],
    ['a subject that is text', { ...whole, subject: 'u' }],
    ['a null subject', { ...whole, subject: null }],
    ['properties that are a list', { ...whole, subject: { ...subject, properties: [] } }],
    ['action properties that are text', { ...whole, action: { ...read, properties: 'x' } }],
    ['a context that is text', { ...whole, context: 'x' }],
    ['more than 256 kB', JSON.stringify({ ...whole, context: { pad: 'x'.repeat(256 * 1024) } })],
  ])('%s: 400, in the same words', async (_, sent) => {
    const { post } = await start()
    bad(await post('/access/v1/evaluation', sent))
  })

  it('another content type, or none, is 400', async () => {
    const { post } = await start()
    for (const type of ['text/plain', 'application/jsonx', ''])
      bad(await post('/access/v1/evaluation', JSON.stringify(whole), { 'content-type': type }))
    expect((await post('/access/v1/evaluation', whole, { 'content-type': 'application/json; charset=utf-8' })).status).toBe(200)
  })

  it('a request without a body is 400', async () => {
    const handler = authzen({ pdp: 'https://pdp.example.com', policy: () => policy, facts, decisionId: () => 'd' })
    const headers = { 'content-type': 'application/json' }
    expect((await handler(new Request('https://pdp.example.com/access/v1/evaluation', { method: 'POST', headers }))).status).toBe(
      400,
    )
  })

  it('a body of exactly 256 kB is read, one that does not end is cut', async () => {
    const { post } = await start()
    const frame = JSON.stringify({ ...whole, context: { pad: '' } }).length
    const fits = JSON.stringify({ ...whole, context: { pad: 'x'.repeat(256 * 1024 - frame) } })
    expect((await post('/access/v1/evaluation', fits)).status).toBe(200)
    let pulled = 0
    let cancelled = false
    const body = new ReadableStream({
      pull: (controller) => {
        pulled++
        controller.enqueue(new Uint8Array(64 * 1024))
      },
      cancel: () => {
        cancelled = true
      },
    })
    const handler = authzen({ pdp: 'https://pdp.example.com', policy: () => policy, facts, decisionId: () => 'd' })
    const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } } as RequestInit
    expect((await handler(new Request('https://pdp.example.com/access/v1/evaluation', init))).status).toBe(400)
    expect([cancelled, pulled < 8]).toEqual([true, true])
  })

  it('a failure of the host is 500 and told to the host, never a decision', async () => {
    const told: unknown[] = []
    const failed = (error: unknown) => told.push(error)
    const boom = new Error('db')
    for (const o of [
      { policy: () => Promise.reject(boom) },
      { facts: () => Promise.reject(boom) },
      { facts: () => ({ action: 'read', nosuch: 1 }) as never },
    ]) {
      const { post } = await start({ failed, ...o })
      const { status, body } = await post('/access/v1/evaluation', whole)
      expect([status, body]).toEqual([500, 'The request could not be answered.'])
    }
    expect(told.slice(0, 2)).toEqual([boom, boom])
    expect(told[2]).toMatchObject({ code: 'policy.fact_unknown' })
    expect((await (await start({ facts: () => Promise.reject(boom) })).post('/access/v1/evaluation', whole)).status).toBe(500)
  })
})

describe('evaluations', () => {
  const four = [{ action: read }, { action: { name: 'write' } }, { action: read }, { action: { name: 'write' } }]
  const ask = async (body: object): Promise<unknown> => {
    const { post } = await start()
    const { evaluations } = (await post('/access/v1/evaluations', body)).body
    return evaluations.map(({ decision }: { decision: boolean }) => decision)
  }

  it.each([
    [undefined, [true, false, true, false]],
    ['execute_all', [true, false, true, false]],
    ['deny_on_first_deny', [true, false]],
    ['permit_on_first_permit', [true]],
  ])('%s', async (evaluations_semantic, expected) => {
    const options = evaluations_semantic ? { options: { evaluations_semantic } } : { options: {} }
    expect(await ask({ subject, resource, evaluations: four, ...options })).toEqual(expected)
  })

  it('denies go on under permit_on_first_permit, permits under deny_on_first_deny', async () => {
    const [no, yes] = [{ action: { name: 'write' } }, { action: read }]
    const of = (evaluations_semantic: string, ...evaluations: object[]) =>
      ask({ subject, resource, evaluations, options: { evaluations_semantic } })
    expect(await of('permit_on_first_permit', no, no, yes, no)).toEqual([false, false, true])
    expect(await of('deny_on_first_deny', yes, yes, no, yes)).toEqual([true, true, false])
  })

  it('a member replaces a default whole', async () => {
    const owned = { type: 'file', id: 'g', properties: { owner: 'u' } }
    const evaluations = [{}, { resource: { type: 'file', id: 'g' } }, { subject: { type: 'user', id: 'v' } }]
    expect(await ask({ subject, resource: owned, action: { name: 'write' }, evaluations })).toEqual([true, false, false])
  })

  it('without evaluations it is one question', async () => {
    const { post } = await start()
    for (const more of [{}, { evaluations: [] }])
      expect((await post('/access/v1/evaluations', { ...whole, ...more })).body.decision).toBe(true)
    bad(await post('/access/v1/evaluations', { subject, resource }))
  })

  it('a malformed member is denied for itself, and counts as a deny', async () => {
    const { post } = await start()
    const evaluations = [
      { action: read },
      { action: 7 },
      'x',
      { resource: { type: 'file' } },
      {},
      { context: [] },
      { action: read },
    ]
    const { body } = await post('/access/v1/evaluations', { subject, resource, evaluations })
    expect(body.evaluations.map(({ decision }: { decision: boolean }) => decision)).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
      true,
    ])
    for (const i of [1, 2, 3, 4, 5])
      expect(body.evaluations[i].context).toEqual({ error: { status: 400, message: 'The evaluation is malformed.' } })
    const stopped = await post('/access/v1/evaluations', {
      subject,
      resource,
      evaluations,
      options: { evaluations_semantic: 'deny_on_first_deny' },
    })
    expect(stopped.body.evaluations.length).toBe(2)
  })

  it('what fails in a member fails the whole batch', async () => {
    const { post } = await start({
      facts: (question) => {
        if (question.resource.id === 'boom') throw new Error('db')
        return facts(question)
      },
    })
    const evaluations = [{}, { resource: { type: 'file', id: 'boom' } }]
    expect((await post('/access/v1/evaluations', { ...whole, evaluations })).status).toBe(500)
  })

  it.each<[string, object]>([
    ['more than 256', { ...whole, evaluations: Array.from({ length: 257 }, () => ({})) }],
    ['evaluations that are no list', { ...whole, evaluations: {} }],
    ['an unknown semantic', { ...whole, evaluations: [{}], options: { evaluations_semantic: 'all' } }],
    ['options that are text', { ...whole, evaluations: [{}], options: 'x' }],
    ['a default subject that is text', { ...whole, subject: 'u', evaluations: [{}] }],
    ['a default resource without id', { ...whole, resource: { type: 'x' }, evaluations: [{}] }],
    ['a default action without name', { ...whole, action: {}, evaluations: [{}] }],
    ['a default context that is a list', { ...whole, context: [], evaluations: [{}] }],
  ])('%s: 400', async (_, sent) => {
    const { post } = await start()
    bad(await post('/access/v1/evaluations', sent))
  })

  it('256 are answered, each with an id of its own', async () => {
    const { post } = await start()
    const { body } = await post('/access/v1/evaluations', { ...whole, evaluations: Array.from({ length: 256 }, () => ({})) })
    expect(new Set(body.evaluations.map(({ context }: { context: { decision_id: string } }) => context.decision_id)).size).toBe(
      256,
    )
  })
})

describe('search', () => {
  const files = Array.from({ length: 25 }, (_, i): AuthZenEntity => ({ type: i === 3 ? 'folder' : 'file', id: `f${i}` }))
  const looked: string[] = []
  async function* resources(_: unknown, after: string | null): AsyncIterable<AuthZenEntity> {
    for (const file of files.slice(after === null ? 0 : files.findIndex(({ id }) => id === after) + 1)) {
      looked.push(file.id)
      yield file
    }
  }
  const key = 'k'
  const pages = {
    seal: async (text: string) => btoa(key + text),
    open: async (token: string) => (atob(token)[0] === key ? atob(token).slice(1) : null),
  }
  const ask = { subject, action: read, resource: { type: 'file' } }

  it('what has no candidates has no endpoint', async () => {
    const { post, get } = await start()
    for (const kind of ['subject', 'resource']) expect((await post(`/access/v1/search/${kind}`, ask)).status).toBe(404)
    const { body } = await get('/.well-known/authzen-configuration')
    expect(body).toEqual({
      policy_decision_point: 'https://pdp.example.com',
      access_evaluation_endpoint: 'https://pdp.example.com/access/v1/evaluation',
      access_evaluations_endpoint: 'https://pdp.example.com/access/v1/evaluations',
      search_action_endpoint: 'https://pdp.example.com/access/v1/search/action',
      supported_obligations: ['step-up'],
    })
    const both = await start({ resources, subjects: resources })
    expect((await both.get('/.well-known/authzen-configuration')).body).toMatchObject({
      search_subject_endpoint: 'https://pdp.example.com/access/v1/search/subject',
      search_resource_endpoint: 'https://pdp.example.com/access/v1/search/resource',
    })
  })

  it('actions are those of the schema, or those that the host lists', async () => {
    const { post } = await start()
    expect((await post('/access/v1/search/action', { subject, resource })).body).toEqual({ results: [{ name: 'read' }] })
    const some = await start({ actions: ({ resource: { type } }) => (type === 'file' ? ['write', 'fly', 'read'] : []) })
    expect((await some.post('/access/v1/search/action', { subject, resource })).body.results).toEqual([{ name: 'read' }])
    bad(await post('/access/v1/search/action', { subject }))
    bad(await post('/access/v1/search/action', { subject, resource, context: 1 }))
  })

  it('pages follow one another, whatever their length, and end', async () => {
    const { post } = await start({ resources, pages })
    const wanted = files.filter(({ type }) => type === 'file')
    for (const limit of [1, 7, 24, 25, 1000]) {
      const found: unknown[] = []
      let token = ''
      do {
        const { body } = await post('/access/v1/search/resource', { ...ask, page: { token, limit } })
        expect(body.page.count).toBe(body.results.length)
        expect(body.results.length).toBeLessThanOrEqual(limit)
        found.push(...body.results)
        token = body.page.next_token
      } while (token !== '')
      expect(found).toEqual(wanted)
    }
  })

  it('no page is longer than the host allows, and none looks at more candidates', async () => {
    const { post } = await start({ resources, pages, limits: { results: 10, candidates: 4 } })
    looked.length = 0
    const { body } = await post('/access/v1/search/resource', { ...ask, page: { limit: 1000 } })
    expect([body.results.length, looked.length, body.page.next_token !== '']).toEqual([3, 5, true])
    const short = await start({ resources, pages, limits: { results: 2 } })
    expect((await short.post('/access/v1/search/resource', ask)).body.results.length).toBe(2)
  })

  it('without the host’s seal there is one page', async () => {
    const { post } = await start({ resources, limits: { results: 2 } })
    const { body } = await post('/access/v1/search/resource', ask)
    expect([body.results.length, body.page.next_token]).toEqual([2, ''])
    bad(await post('/access/v1/search/resource', { ...ask, page: { token: 'x' } }))
  })

  it('a token of another search, another type, or nobody’s is refused', async () => {
    const { post } = await start({ resources, subjects: resources, pages })
    const { next_token: token } = (await post('/access/v1/search/resource', { ...ask, page: { limit: 1 } })).body.page
    expect((await post('/access/v1/search/resource', { ...ask, page: { token } })).body.results[0].id).toBe('f1')
    bad(await post('/access/v1/search/resource', { ...ask, resource: { type: 'folder' }, page: { token } }))
    bad(await post('/access/v1/search/subject', { subject: { type: 'file' }, action: read, resource, page: { token } }))
    for (const forged of [btoa('xresource\nfile\nf1'), btoa('k'), btoa('kresource'), 7])
      bad(await post('/access/v1/search/resource', { ...ask, page: { token: forged } }))
    for (const limit of [0, -1, 1.5, '7']) bad(await post('/access/v1/search/resource', { ...ask, page: { limit } }))
    bad(await post('/access/v1/search/resource', { ...ask, page: [] }))
  })

  it('what is known of a search is asked once, and decides nothing by itself', async () => {
    const known: unknown[] = []
    const { post } = await start({
      subjects: async function* () {
        for (const id of ['a', 'nobody', 'u']) yield { type: 'user', id }
      },
      known: (search) => {
        known.push(search)
        return { action: search.action.name as 'write' }
      },
    })
    const owned = { type: 'file', id: 'f', properties: { owner: 'u' } }
    const sent = { subject: { type: 'user' }, action: { name: 'write' }, resource: owned }
    expect((await post('/access/v1/search/subject', sent)).body.results).toEqual([{ type: 'user', id: 'u' }])
    expect(known).toEqual([sent])
    const nothing = await start({ subjects: resources, known: () => null })
    expect((await nothing.post('/access/v1/search/subject', { ...sent, subject: { type: 'file' } })).body.results).toEqual([])
    // An action that the schema does not have is nobody's, as it is without a search.
    const { status, body } = await post('/access/v1/search/subject', { ...sent, action: { name: 'fly' } })
    expect([status, body.results]).toEqual([200, []])
  })

  it('only those that are allowed are found; an id in the search says nothing', async () => {
    const { post } = await start({
      subjects: async function* () {
        for (const id of ['a', 'nobody', 'u']) yield { type: 'user', id }
      },
    })
    const owned = { type: 'file', id: 'f', properties: { owner: 'u' } }
    const sent = { subject: { type: 'user', id: 'a' }, action: { name: 'write' }, resource: owned }
    expect((await post('/access/v1/search/subject', sent)).body.results).toEqual([{ type: 'user', id: 'u' }])
    bad(await post('/access/v1/search/subject', { ...sent, subject: {} }))
    bad(await post('/access/v1/search/subject', { ...sent, action: undefined }))
  })
})

describe('around it', () => {
  it('the id of a request comes back, on errors too; one that is no header does not', async () => {
    const { post, url } = await start()
    for (const [body, id] of [
      [whole, 'bfe9eb29'],
      ['{', 'x y'],
    ] as const)
      expect((await post('/access/v1/evaluation', body, { 'x-request-id': id })).headers.get('x-request-id')).toBe(id)
    expect(
      (await post('/access/v1/evaluation', whole, { 'x-request-id': 'x'.repeat(257) })).headers.get('x-request-id'),
    ).toBeNull()
    expect((await fetch(`${url}/nothing`, { headers: { 'x-request-id': '7' } })).headers.get('x-request-id')).toBe('7')
  })

  it('nothing else is answered', async () => {
    const { get, post } = await start()
    expect((await get('/access/v1/evaluation')).status).toBe(405)
    expect((await post('/.well-known/authzen-configuration', {})).status).toBe(405)
    for (const path of ['/access/v1/evaluation/', '/access/v1/', '/access/v1/constructor', '/access/v1/search', '/'])
      expect((await post(path, whole)).status).toBe(404)
    const { headers } = await post('/access/v1/evaluation', whole)
    expect([headers.get('content-type'), headers.get('cache-control')]).toEqual(['application/json', 'no-store'])
  })

  it('a decision point may live under a path', async () => {
    const { get, post } = await start({ pdp: 'https://example.com/tenants/a/' })
    expect((await get('/.well-known/authzen-configuration/tenants/a')).body.access_evaluation_endpoint).toBe(
      'https://example.com/tenants/a/access/v1/evaluation',
    )
    expect((await post('/tenants/a/access/v1/evaluation', whole)).body.decision).toBe(true)
    expect((await post('/access/v1/evaluation', whole)).status).toBe(404)
  })
})
