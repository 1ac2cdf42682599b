/** What runs in the page: a host's own few lines around the browser half, over HTTP, and SimpleWebAuthn's client beside it. */
import {
  createPasskeyClient,
  type PasskeyClient,
  type PasskeyOptions,
  type PrfOutput,
  passkeyCapabilities,
  signalAllAcceptedCredentials,
  signalCurrentUserDetails,
  signalUnknownCredential,
} from '@postern/authenticators/webauthn/browser'
import { startAuthentication, startRegistration } from '@simplewebauthn/browser'

/** What became of a ceremony: what the browser half did, and what the server said. */
export interface Outcome {
  /** `ok`, or the code of either half. */
  readonly code: string
  /** The name of the browser's own error. */
  readonly cause?: string
  /** The body that went to the server, as it went. */
  readonly sent?: string
  readonly facts?: Readonly<Record<string, unknown>>
  readonly amr?: readonly string[]
  readonly prf?: { readonly enabled: boolean | null; readonly first: string | null; readonly second: string | null }
}

export interface Ask {
  readonly kind: 'create' | 'get'
  readonly user: string | null
  /** Path of the server: ours, or SimpleWebAuthn's. */
  readonly at?: 'postern' | 'foreign'
  readonly client?: 'postern' | 'foreign'
  /** Members of the ceremony, and of the options once they are here. */
  readonly ceremony?: Readonly<Record<string, unknown>>
  readonly options?: Readonly<Record<string, unknown>>
  readonly mediation?: 'conditional'
  readonly abortAfterMs?: number
  readonly timeoutSignalMs?: number
  /** Text by name. */
  readonly prf?: { readonly eval?: readonly string[]; readonly evalByCredential?: Readonly<Record<string, readonly string[]>> }
}

const passkeys = createPasskeyClient({ clock: Date.now })
const hex = (bytes: Uint8Array | null): string | null =>
  bytes && [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
const shown = ({ enabled, first, second }: PrfOutput) => ({ enabled, first: hex(first), second: hex(second) })

async function post(path: string, body: unknown): Promise<{ text: string; json: Record<string, unknown> }> {
  const text = JSON.stringify(body)
  const response = await fetch(path, { method: 'POST', body: text, headers: { 'content-type': 'application/json' } })
  return { text, json: (await response.json()) as Record<string, unknown> }
}

function inputs([first = '', second]: readonly string[]) {
  const bytes = (text: string) => new TextEncoder().encode(text)
  return { first: bytes(first), ...(second !== undefined && { second: bytes(second) }) }
}

function optionsOf({ mediation, abortAfterMs, timeoutSignalMs, prf }: Ask): PasskeyOptions {
  const controller = new AbortController()
  if (abortAfterMs === 0) controller.abort()
  else if (abortAfterMs !== undefined) setTimeout(() => controller.abort(), abortAfterMs)
  const signal = timeoutSignalMs === undefined ? controller.signal : AbortSignal.timeout(timeoutSignalMs)
  const by = prf?.evalByCredential && Object.entries(prf.evalByCredential).map(([id, texts]) => [id, inputs(texts)])
  return {
    signal,
    ...(mediation && { mediation }),
    ...(prf && { prf: { ...(prf.eval && { eval: inputs(prf.eval) }), ...(by && { evalByCredential: Object.fromEntries(by) }) } }),
  }
}

/** One ceremony: begin at the server, the browser, finish at the server. */
async function ceremony(ask: Ask): Promise<Outcome> {
  const { kind, user, at = 'postern', client = 'postern', mediation } = ask
  const begun = await post(`/${at}/begin`, { kind, user, mediation, ceremony: ask.ceremony })
  if (typeof begun.json['code'] === 'string') return { code: begun.json['code'] }
  const publicKey = { ...(begun.json['publicKey'] as object), ...ask.options }
  let answer: unknown
  let prf: Outcome['prf']
  try {
    if (client === 'foreign') {
      const optionsJSON = publicKey as never
      const useBrowserAutofill = mediation === 'conditional'
      answer = await (kind === 'create'
        ? startRegistration({ optionsJSON })
        : startAuthentication({ optionsJSON, useBrowserAutofill }))
    } else {
      const done = await passkeys[kind]({ publicKey }, optionsOf(ask))
      answer = done.answer
      prf = shown(done.prf)
    }
  } catch (error) {
    const { code, cause } = error as { code: string; cause?: { name?: string } }
    return { code, ...(cause?.name !== undefined && { cause: cause.name }) }
  }
  const { text, json } = await post(`/${at}/finish`, { kind, user, ceremony: ask.ceremony, handle: begun.json['handle'], answer })
  return { ...(json as unknown as Outcome), sent: text, ...(prf && { prf }) }
}

/** The name of what a signal ended with, or whether the browser took it. */
async function signalled(kind: 'unknown' | 'accepted' | 'details', o: never): Promise<boolean | string> {
  const send = { unknown: signalUnknownCredential, accepted: signalAllAcceptedCredentials, details: signalCurrentUserDetails }
  try {
    return await send[kind](o)
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** What tests call in here. */
export interface Page {
  readonly ceremony: typeof ceremony
  readonly signalled: typeof signalled
  readonly capabilities: typeof passkeyCapabilities
  readonly passkeys: PasskeyClient
}

const page: Page = { ceremony, signalled, capabilities: passkeyCapabilities, passkeys }
Object.assign(globalThis, { page })
