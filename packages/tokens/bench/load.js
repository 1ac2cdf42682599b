// One load generator for every server: keep-alive connections, each in a lane of its own, and the CPU of the server's process.
import { createHash, createPrivateKey, randomBytes, sign } from 'node:crypto'
import { Agent, request } from 'node:http'

/** @returns {Promise<{ status: number, headers: Record<string, string>, text: string }>} */
function send(agent, port, { method = 'POST', path, headers = {}, body = '' }) {
  const all = method === 'GET' ? headers : { ...headers, 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, port, host: '127.0.0.1', path, method, headers: all }, (incoming) => {
      const chunks = []
      incoming.on('data', (chunk) => chunks.push(chunk))
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode, headers: incoming.headers, text: Buffer.concat(chunks).toString() }),
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const form = (path, fields) => ({ path, headers: FORM, body: new URLSearchParams(fields).toString() })
const portal = { client_id: 'portal', client_secret: 'a-secret-that-is-long-enough-for-this-bench' }

/** What a lane sends, and what it makes of the reply. A wrong reply ends the bench. */
export const lanes = {
  refresh: (refreshToken, { token }) => ({
    request: () => form(token, { ...portal, grant_type: 'refresh_token', refresh_token: refreshToken }),
    took({ body }) {
      if (!body.access_token || !body.id_token || body.refresh_token === refreshToken) throw new Error(JSON.stringify(body))
      refreshToken = body.refresh_token
    },
  }),
  refreshDpop({ jwk, clientId, refreshToken }, { token, origin }) {
    const { d: _, ...publicJwk } = jwk
    const key = createPrivateKey({ key: jwk, format: 'jwk' })
    const head = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicJwk })
    let nonce
    return {
      request() {
        const claims = {
          jti: randomBytes(16).toString('base64url'),
          htm: 'POST',
          htu: origin + token,
          iat: Math.floor(Date.now() / 1000),
        }
        const text = `${head}.${encoded({ ...claims, ...(nonce && { nonce }) })}`
        const dpop = `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
        const fields = { client_id: clientId, grant_type: 'refresh_token', refresh_token: refreshToken }
        const ask = form(token, fields)
        return { ...ask, headers: { ...ask.headers, dpop } }
      },
      took({ body, headers }) {
        nonce = headers['dpop-nonce'] ?? nonce
        if (body.error === 'use_dpop_nonce') return false
        if (body.token_type !== 'DPoP' || body.refresh_token === refreshToken) throw new Error(JSON.stringify(body))
        refreshToken = body.refresh_token
      },
    }
  },
  clientCredentials: (_seed, { token }) => ({
    request: () => form(token, { ...portal, grant_type: 'client_credentials', scope: 'accounts' }),
    took({ body }) {
      if (body.access_token?.split('.').length !== 3) throw new Error(JSON.stringify(body))
    },
  }),
  introspect: (accessToken, { introspection }) => ({
    request: () => form(introspection, { ...portal, token: accessToken }),
    took({ body }) {
      if (body.active !== true || body.sub !== 'user-1') throw new Error(JSON.stringify(body))
    },
  }),
  metadata: (_seed, { metadata }) => ({ request: () => ({ method: 'GET', path: metadata }), took: () => undefined }),
  /** What node:http costs for a request and a reply of these lengths. */
  bare: (_seed, _paths, { asked, replied }) => ({
    request: () => form(`/${replied}`, { x: 'x'.repeat(asked - 2) }),
    took: () => undefined,
  }),
  jwks: (_seed, { jwks }) => ({ request: () => ({ method: 'GET', path: jwks }), took: () => undefined }),
}

function encoded(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** CPU of the server process, µs a request, over `count` requests by `n` connections; and how long a request and a reply were. */
export async function round({ port, paths }, name, { n = 8, count, lengths }) {
  const agent = new Agent({ keepAlive: true, maxSockets: n })
  const seeds = JSON.parse((await send(agent, port, { method: 'GET', path: `/bench/seeds?case=${name}&n=${n}` })).text)
  const all = seeds.map((seed) => lanes[name](seed, paths, lengths))
  let said
  const cpu = async () => Number((await send(agent, port, { method: 'GET', path: '/bench/cpu' })).text)
  const step = async ({ request: make, took }) => {
    const asked = make()
    const reply = await send(agent, port, asked)
    said = { asked: (asked.body ?? '').length, replied: reply.text.length }
    const retry = took({ ...reply, body: reply.text.startsWith('{') ? JSON.parse(reply.text) : {} }) === false
    if (!retry && reply.status !== 200) throw new Error(`${name}: ${reply.status} ${reply.text}`)
    return !retry
  }
  // Nonces are learnt, connections made, before anything counts.
  for (const lane of all) while (!(await step(lane)));
  let left = count
  const before = await cpu()
  await Promise.all(
    all.map(async (lane) => {
      while (left-- > 0) await step(lane)
    }),
  )
  const after = await cpu()
  agent.destroy()
  return { us: (after - before) / count, ...said }
}

/** @param {string} token - for resource servers */
export function athOf(token) {
  return createHash('sha256').update(token).digest('base64url')
}
