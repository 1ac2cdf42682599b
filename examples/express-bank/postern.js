// @ts-check
// Postern imported into the bank: ports, keys and rules in, one Fetch handler out, mounted at a prefix.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { factsWithoutResolver } from '@postern/anomaly/config'
import { riskModel } from '@postern/anomaly/risk'
import { createCustom } from '@postern/authenticators/custom'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing, sealKeyRingDocument, unsealKeyRingDocument } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { systemPorts } from '@postern/core/systemRuntime'
import { createPlatform } from '@postern/platform'
import { toNode } from '@postern/platform/node'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { checkPassword } from './bank.js'
import { memorableWord } from './memorableWord.js'
import { bankPolicy } from './policy.js'

/** Levels on the wire, weakest first; policy counts them from 1. */
export const acr = ['basic', 'pin', 'strong']

/**
 * Mounts Postern into the bank's Express application.
 * @param {ReturnType<import('./bank.js')['createBank']>} bank
 * @param {{ origin: string, api: string, folder: string, operatorKey: JsonWebKey, apiKey?: JsonWebKey, store?: import('@postern/store').Store, word?: import('@postern/authenticators/custom').CustomAuthenticator }} settings
 * `apiKey`: the public key of an API that asks about tokens instead of verifying them itself (RFC 7662); `word`: the bank's own authenticator
 */
export async function mountPostern(
  bank,
  { origin, api, folder, operatorKey, apiKey, store = openStore(folder), word = memorableWord },
) {
  const runtime = { ...systemPorts(), store }
  const issuer = `${origin}/postern`
  const keys = await keysIn(folder, runtime)
  const platform = await createPlatform({
    issuer,
    tenant: 'bank',
    runtime,
    keys,
    acr: /** @type {[string, ...string[]]} */ (acr),
    // The demo's phone has no hardware that vouches for it; with App Attest or Key Attestation this line goes.
    unverifiedAcr: 'strong',
    resources: { [api]: { scopes: ['accounts', 'payments', 'openid', 'offline_access'] } },
    scopes: ['accounts', 'payments'],
    clients: [...portals(), ...(apiKey ? [introspector(api, apiKey)] : [])],
    identity: loginPage(bank, origin),
    registrars: { letter: { complete: async ({ data }) => registered(data) } },
    pin: { maxAttempts: 3, onExhausted: 'lock' },
    authenticators: (own) => [...own, createCustom(word, { ...sealers(keys, runtime), timer: later, runtime })],
    policy: bankPolicy,
    risk: riskModel({ key: (await keys.secret('bank:risk')).slice(0, 16), facts: factsWithoutResolver }),
    operators: { audience: `${issuer}/admin`, issuers: [{ issuer: 'https://operators.bank.example', keys: [operatorKey] }] },
  })
  bank.use('/postern', toNode(platform.fetch, { origin }))
  bank.use(
    '/.well-known',
    toNode(async (request) => (await platform.wellKnown(request)) ?? new Response('not found', { status: 404 }), { origin }),
  )
  // Postern runs no timer of its own: the host says when to look after the outbox and what expired.
  let sweeping = Promise.resolve()
  const sweep = setInterval(() => {
    sweeping = sweeping.then(async () => {
      await platform.sweep(runtime.clock(), 50).catch((error) => console.error(`sweep: ${error.code ?? error.message}`))
    })
  }, 1_000)
  return {
    platform,
    runtime,
    issuer,
    async close() {
      clearInterval(sweep)
      await sweeping
      await platform.close()
    },
  }
}

/** One SQLite file: enough for one machine. @param {string} folder */
export function openStore(folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return sqliteStore(new Database(join(folder, 'postern.db')))
}

/** Handles under keys of an hour, what is kept under keys of a year. @param {import('@postern/core/keyRing').KeyRing} keys @param {import('@postern/core/runtime').Ports} ports */
function sealers(keys, ports) {
  return { seal: createSealer({ ring: keys.short, ...ports }), atRest: createSealer({ ring: keys.long, ...ports }) }
}

/** @type {import('@postern/authenticators/custom').Timer} */
function later(task, ms) {
  const timer = setTimeout(task, ms)
  return () => clearTimeout(timer)
}

/** The tenant's keys, sealed under a master key that a real bank would fetch from its KMS. @param {string} folder @param {import('@postern/core/runtime').Ports} ports */
async function keysIn(folder, ports) {
  const crypto = createCrypto()
  const [masterFile, ringFile] = [join(folder, 'master.key'), join(folder, 'keys.sealed')]
  if (!existsSync(masterFile)) writeFileSync(masterFile, ports.random(32), { mode: 0o600 })
  const master = new Uint8Array(readFileSync(masterFile))
  if (!existsSync(ringFile))
    writeFileSync(
      ringFile,
      await sealKeyRingDocument(await createKeyRingDocument({ ...ports, crypto }), master, { ...ports, crypto }),
      { mode: 0o600 },
    )
  return openKeyRing(await unsealKeyRingDocument(new Uint8Array(readFileSync(ringFile)), master, { ...ports, crypto }), crypto)
}

/**
 * The bank's own login form is the login page: whoever has the bank's session is who he is; everyone else is sent to the form first.
 * @param {ReturnType<import('./bank.js')['createBank']>} bank @param {string} origin @returns {import('@postern/tokens/interaction').InteractionPort}
 */
function loginPage(bank, origin) {
  return {
    async begin({ client, maxAge, scope }, request) {
      const session = bank.sessionOf(request.headers.get('cookie'))
      const app = client.kind === 'instance'
      // Whoever sets a PIN has just shown who he is; a portal says itself how old a login may be.
      const oldestSec = app ? 120 : (maxAge ?? Number.POSITIVE_INFINITY)
      if (session === null || Date.now() - session.since > Math.max(oldestSec, 1) * 1_000) {
        const { pathname, search } = new URL(request.url)
        return Response.redirect(`${origin}/login?next=${encodeURIComponent(pathname + search)}`, 303)
      }
      return {
        outcome: 'granted',
        login: {
          subject: session.subject,
          authTime: session.since,
          acr: 'basic',
          amr: ['pwd'],
          // A new phone may set its PIN with this and no more; a portal stays logged in.
          ...(app ? { facts: { registration: true, status: 'pending' }, refresh: false } : {}),
        },
        scope,
      }
    },
    async error({ publicMessage }) {
      return new Response(`<!doctype html><title>Bank</title><p>${publicMessage}</p>`, {
        status: 400,
        headers: { 'content-type': 'text/html; charset=utf-8' },
      })
    },
  }
}

/** Registration on a native screen: user name and password, checked by the bank. @param {any} data */
function registered(data) {
  const subject =
    typeof data?.user === 'string' && typeof data?.password === 'string' ? checkPassword(data.user, data.password) : null
  return subject === null
    ? { outcome: /** @type {const} */ ('failed') }
    : { outcome: /** @type {const} */ ('done'), subject, amr: ['pwd'] }
}

/** Clients besides the app: a web portal that any OpenID library can play. @returns {import('@postern/tokens/clients').ClientConfig[]} */
function portals() {
  return [
    {
      id: 'portal',
      auth: { method: 'none' },
      dpopBound: true,
      redirectUris: ['http://127.0.0.1:4999/cb'],
      scope: ['openid', 'accounts', 'offline_access'],
      name: 'Web portal',
    },
  ]
}

/** @param {string} api @param {JsonWebKey} key @returns {import('@postern/tokens/clients').ClientConfig} */
function introspector(api, key) {
  return {
    id: 'accounts-api',
    auth: { method: 'private_key_jwt', keys: [key] },
    grantTypes: [],
    scope: [],
    introspects: [api],
    name: 'Account API',
  }
}
