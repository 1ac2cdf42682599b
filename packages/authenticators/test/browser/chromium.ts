/// <reference types="node" />
/** Chromium with virtual authenticators, a bank and a host of SimpleWebAuthn behind HTTP on this machine, and the browser half in the page. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { relatedOrigins } from '@postern/authenticators/webauthn/origins'
import type { WebauthnOptions } from '@postern/authenticators/webauthn/server'
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type WebAuthnCredential,
} from '@simplewebauthn/server'
import { build } from 'esbuild'
import { type Browser, type CDPSession, chromium, type Frame, type Page as Tab } from 'playwright-core'
import { der, issue, seq } from '../attesters.js'
import { type Bank, createBank, origin, rpId } from '../passkey.js'
import type { Ask, Outcome, Page } from './page.js'

/** The path of a Chromium, or an empty text. */
export function chromiumPath(): string {
  try {
    const found = 'command -v chromium || command -v chromium-browser'
    return process.env['CHROMIUM'] ?? execFileSync('sh', ['-c', found], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

export const chromiumFlags: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Host {
  readonly bank: Bank
  /** How a browser finds it, and takes its certificate. */
  readonly flags: readonly string[]
  close(): void
}

/** Names that lead here. The bank's relying party is the first; the others have pages of the same server. */
const NAMES = ['bank.example', 'related.test', 'portal.test']
/** Without TLS. */
const PLAIN = 'plain.test'

/** The bank's server at https://bank.example. A page `/frame` shows the bank's in a frame; related.test may use the bank's passkeys. */
export async function startHost(o: Partial<WebauthnOptions> = {}): Promise<Host> {
  const script = await bundled('page.ts')
  const bank = createBank(o)
  const foreign = foreignHost()
  const respond = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.method === 'POST') {
      const [, at, step] = req.url!.split('/')
      const body = await bodyOf(req)
      const answer = await (at === 'postern' ? served(bank, step!, body) : foreign(step!, body))
      res.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
      return
    }
    const [type, body] = PAGES[req.url!]?.() ?? (req.url === '/page.js' ? ['text/javascript', script] : ['text/html', ''])
    res.setHeader('content-type', type).end(body)
  }
  const holder = issue(null, { extensions: [{ oid: '2.5.29.17', value: seq(...NAMES.map((one) => der(0x82, one))) }] })
  const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(holder.der).toString('base64')}\n-----END CERTIFICATE-----`
  const key = holder.key.export({ format: 'pem', type: 'pkcs8' })
  const [secure, plain] = await Promise.all([
    listening(createSecureServer({ cert, key }, respond)),
    listening(createServer(respond)),
  ])
  const rules = [...NAMES.map((one) => `MAP ${one}:443 127.0.0.1:${secure.port}`), `MAP ${PLAIN}:80 127.0.0.1:${plain.port}`]
  const spki = createHash('sha256').update(holder.spki).digest('base64')
  return {
    bank,
    flags: [`--host-resolver-rules=${rules.join(', ')}`, `--ignore-certificate-errors-spki-list=${spki}`],
    close() {
      for (const { server } of [secure, plain]) server.closeAllConnections()
      for (const { server } of [secure, plain]) server.close()
    },
  }
}

async function listening(server: Server): Promise<{ readonly server: Server; readonly port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

const PAGES: Readonly<Record<string, () => readonly [string, string]>> = {
  '/': () => [
    'text/html',
    '<!doctype html><title>Bank</title><input autocomplete="username webauthn"><script src="/page.js"></script>',
  ],
  '/frame': () => [
    'text/html',
    '<!doctype html><title>Portal</title><iframe src="https://bank.example/" allow="publickey-credentials-get *"></iframe>',
  ],
  '/.well-known/webauthn': () => ['application/json', JSON.stringify(relatedOrigins(['https://related.test']))],
}

/** A file of this folder as one script. */
export async function bundled(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    logLevel: 'error',
    plugins: [
      {
        name: 'sources',
        setup(b) {
          b.onResolve({ filter: /^@postern\/\w+\// }, ({ path }) => {
            const [, name, file] = /^@postern\/(\w+)\/(.+)$/.exec(path)!
            return { path: fileURLToPath(new URL(`../../../${name}/src/${file}.ts`, import.meta.url)) }
          })
        },
      },
    ],
  })
  return outputFiles[0]!.text
}

async function bodyOf(req: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of req) text += chunk
  return JSON.parse(text) as Record<string, unknown>
}

async function served(bank: Bank, step: string, body: Record<string, unknown>): Promise<unknown> {
  const { kind, user, handle, answer, mediation } = body as {
    kind: string
    user: string | null
    handle: string
    answer: unknown
    mediation?: string
  }
  const more = (body['ceremony'] ?? {}) as object
  const conditional = mediation === 'conditional' && kind === 'create' ? { mediation } : null
  if (step === 'begin') {
    if (kind === 'create') {
      const at = bank.part(user!)
      if ((await bank.store.read(at, ['u'], { now: bank.time.now }))[0] == null) await bank.user(user!)
    }
    const { options, handle: sealed } = await (kind === 'create'
      ? bank.offer(user!, withLists(more), conditional)
      : bank.ask(user, withLists(more)))
    return { publicKey: options, handle: sealed }
  }
  const done = await (kind === 'create'
    ? bank.register(user!, answer, handle, withLists(more))
    : bank.login(user, answer, handle, withLists(more)))
  return done.ok ? { code: 'ok', facts: done.value.facts, amr: done.value.amr } : { code: done.code }
}

/** Credential ids cross HTTP as text. */
function withLists(more: { readonly credentials?: readonly string[] } & object): object {
  const { credentials, ...rest } = more
  if (credentials === undefined) return rest
  return { ...rest, credentials: credentials.map((id) => ({ id: new Uint8Array(Buffer.from(id, 'base64url')), transports: [] })) }
}

type Foreign = (step: string, body: Record<string, unknown>) => Promise<unknown>

/** A host of SimpleWebAuthn's server, with one user. */
function foreignHost(): Foreign {
  const known = new Map<string, WebAuthnCredential>()
  let expectedChallenge = ''
  return async (step, { kind, answer }) => {
    const response = answer as never
    const expected = { expectedChallenge, expectedOrigin: origin, expectedRPID: rpId, response, requireUserVerification: false }
    if (step === 'begin') {
      const options = await (kind === 'create'
        ? generateRegistrationOptions({ rpName: 'Foreign', rpID: rpId, userName: 'ada' })
        : generateAuthenticationOptions({ rpID: rpId }))
      expectedChallenge = options.challenge
      return { publicKey: options }
    }
    if (kind === 'create') {
      const { verified, registrationInfo } = await verifyRegistrationResponse(expected)
      known.set(registrationInfo!.credential.id, registrationInfo!.credential)
      return { code: verified ? 'ok' : 'refused' }
    }
    const credential = known.get((answer as { id: string }).id)!
    const { verified } = await verifyAuthenticationResponse({ ...expected, credential })
    return { code: verified ? 'ok' : 'refused' }
  }
}

export interface VirtualAuthenticator {
  set(name: 'setUserVerified' | 'setAutomaticPresenceSimulation', enabled: boolean): Promise<void>
  credentials(): Promise<
    readonly { readonly id: string; readonly signCount: number; readonly userName?: string; readonly userDisplayName?: string }[]
  >
  remove(id: string): Promise<void>
}

export interface Opened {
  readonly tab: Tab
  readonly devtools: CDPSession
  authenticator(o?: object): Promise<VirtualAuthenticator>
  ceremony(ask: Ask, frame?: Frame): Promise<Outcome>
  run<A, T>(work: (page: Page, argument: A) => T | Promise<T>, argument: A): Promise<T>
  close(): Promise<void>
}

/** A page of its own profile; `before` runs in it ahead of its scripts. */
export async function openPage(browser: Browser, url: string = origin, before = ''): Promise<Opened> {
  const context = await browser.newContext()
  await context.addInitScript(before)
  const tab = await context.newPage()
  await tab.goto(url)
  const devtools = await context.newCDPSession(tab)
  await devtools.send('WebAuthn.enable', { enableUI: false })
  const run: Opened['run'] = (work, argument) => tab.evaluate(`(${work})(globalThis.page, ${JSON.stringify(argument)})`) as never
  return {
    tab,
    devtools,
    async authenticator(o = {}) {
      const options = {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
        ...o,
      } as const
      const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options })
      return {
        async set(name, enabled) {
          const member = name === 'setUserVerified' ? { isUserVerified: enabled } : { enabled }
          await devtools.send(`WebAuthn.${name}`, { authenticatorId, ...member } as never)
        },
        async credentials() {
          const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId })
          return credentials.map((one) => ({ ...one, id: Buffer.from(one.credentialId, 'base64').toString('base64url') }))
        },
        async remove(id) {
          const credentialId = Buffer.from(id, 'base64url').toString('base64')
          await devtools.send('WebAuthn.removeCredential', { authenticatorId, credentialId })
        },
      }
    },
    ceremony: (ask, frame = tab.mainFrame()) =>
      frame.evaluate((a) => (globalThis as unknown as { page: Page }).page.ceremony(a), ask),
    run,
    close: () => context.close(),
  }
}

export function launch(host: Host): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: [...chromiumFlags, ...host.flags] })
}
