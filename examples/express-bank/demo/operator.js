// @ts-check
// An operator of the bank: a token of the bank's own identity provider, and what he sets up once.
import { createCrypto } from '@postern/core/crypto'
import { signJws } from '@postern/core/jws'
import { systemPorts } from '@postern/core/systemRuntime'
import { SIGNED_BY } from './phone.js'

/** A call of the admin API. @typedef {(method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>} Admin */

const SCOPE = 'config:read config:write policy:read policy:write policy:publish users:read users:write events:read insight:read'

/** @param {string} issuer @returns {Promise<{ key: JsonWebKey, token: string, admin: Admin }>} `key`: what the bank's identity provider publishes */
export async function createOperator(issuer) {
  const { random, clock } = systemPorts()
  const crypto = createCrypto()
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const now = Math.floor(clock() / 1000)
  const token = await signJws(
    signer,
    { typ: 'at+jwt' },
    { iss: 'https://operators.bank.example', sub: 'operator', aud: `${issuer}/admin`, iat: now, exp: now + 86_400, scope: SCOPE },
  )
  return {
    key: signer.publicJwk,
    token,
    admin: (method, path, body, headers = {}) =>
      fetch(`${issuer}/admin${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  }
}

/** The app, its versions, the rule for its system. @param {Admin} admin */
export async function registerApp(admin) {
  await put('/v1/apps/retail', { name: 'Retail', registration: 'open' })
  await put('/v1/apps/retail/versions/other/5.2.0', { status: 'enabled', signatures: [SIGNED_BY], sealed: true })
  await put('/v1/apps/retail/versions/other/4.9.0', { status: 'enabled', signatures: [SIGNED_BY], sealed: true })
  await put('/v1/os-rules/other', { min: '12', blocked: [] })

  /** @param {string} path @param {object} body */
  async function put(path, body) {
    const answer = await admin('PUT', path, body, { 'if-none-match': '*' })
    // 412: it is there from an earlier start.
    if (answer.status >= 300 && answer.status !== 412) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
}

/** Takes the phones of an earlier start off their users' lists, as an operator would whose customer lost one. @param {Admin} admin @param {readonly string[]} subjects */
export async function removePhones(admin, subjects) {
  for (const subject of subjects) {
    const answer = await admin('GET', `/v1/users/${subject}/devices`)
    if (answer.status === 404) continue
    const { devices } = await answer.json()
    for (const { client_id } of devices) await admin('DELETE', `/v1/devices/${client_id}`)
  }
}

/** Whether the history of an earlier start is there. @param {Admin} admin @param {number} now */
export async function hasHistory(admin, now) {
  const answer = await admin('GET', `/v1/events?limit=1&to=${now - 7 * 86_400_000}`)
  return (await answer.json()).events.length > 0
}
