// @ts-check
// A phone: Postern's client with a file for a keystore, real HTTP, and a browser that fills in the bank's login form.
import { scryptSync } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@postern/client'
import { createFileKeystore } from '@postern/client/keystore/node'
import { createFileStorage } from '@postern/client/storage/file'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'

/** The certificate that the bank's builds are signed with. */
export const SIGNED_BY = 'c0ffee00'.repeat(8)

const clean = { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false }

/**
 * @typedef {{ folder: string, issuer: string, api: string, keyRoots: JsonWebKey[], version?: string, os?: string, signals?: object,
 *   biometric?: () => import('@postern/client/ports').SignCause | null, fetch?: import('@postern/core/runtime').Fetch, clock?: () => number, prompts?: import('@postern/client/prompts').Prompts }} PhoneOptions
 * @param {PhoneOptions} options
 */
export function createPhone({
  folder,
  issuer,
  api,
  keyRoots,
  version = '5.2.0',
  os = '14.1',
  signals = {},
  biometric,
  fetch,
  clock,
  prompts,
}) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const system = systemPorts()
  return createClient({
    app: {
      issuer,
      tenant: 'bank',
      api,
      id: 'retail',
      version,
      platform: 'other',
      osVersion: os,
      model: 'demo phone',
      keyRoots,
      redirectUri: 'com.bank.retail:/cb',
      scopes: ['accounts', 'payments', 'offline_access'],
    },
    keystore: createFileKeystore({ folder: join(folder, 'keys'), ...(biometric ? { biometric } : {}) }),
    storage: createFileStorage({ folder: join(folder, 'storage') }),
    // Node has scrypt built in; a phone's own is used the same way.
    runtime: {
      clock: clock ?? system.clock,
      random: system.random,
      crypto: createCrypto(),
      fetch: fetch ?? system.fetch,
      ksf: (input) => new Uint8Array(scryptSync(input, new Uint8Array(16), 64, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 })),
    },
    evidence: () => [
      { format: 'app-signature', certificates: [SIGNED_BY] },
      { format: 'signals', v: 1, at: system.clock(), source: 'demo', signals: { ...clean, ...signals } },
    ],
    browser: (url) => fillInLoginForm(url),
    ...(prompts ? { prompts } : {}),
  })
}

/**
 * What a user does in a browser: follow redirects, fill in the form, end where the answer is for: an app's own scheme, or a portal.
 * @param {string} url
 * @param {{ user?: string, password?: string, jar?: Map<string, string>, portal?: string }} [as]
 * @returns {Promise<string>}
 */
export async function fillInLoginForm(url, { user = 'anna', password = 'correct horse', jar = new Map(), portal } = {}) {
  /** @type {RequestInit} */
  let next = {}
  for (let hop = 0; hop < 12; hop++) {
    const answer = await fetch(url, {
      ...next,
      redirect: 'manual',
      headers: { ...next.headers, cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    next = {}
    const location = answer.headers.get('location')
    if (location !== null) {
      url = new URL(location, url).href
      if (!url.startsWith('http') || (portal !== undefined && url.startsWith(portal))) return url
      continue
    }
    const page = await answer.text()
    const hidden = /name="next" value="([^"]*)"/.exec(page)?.[1]
    if (hidden === undefined) throw new Error(`the browser ended on a page that is not the login form: ${page.slice(0, 200)}`)
    const form = new URLSearchParams({
      user,
      password,
      next: hidden.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(code)),
    })
    url = new URL('/login', url).href
    next = { method: 'POST', body: form.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  }
  throw new Error('the browser was sent round in circles')
}
