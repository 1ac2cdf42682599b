/**
 * The browser's half of WebAuthn: what `begin` answered goes in, what `finish` takes comes out, and every way it can end is a code.
 * @see WebAuthn Level 3 §5.1
 */
import { PosternError } from '@postern/core/errors'
import { answerOf, type Bag, type CredentialClass, isBag, optionsOf } from '../internal/browserJson.js'
import type { AuthenticationResponseJSON, Hint, RegistrationResponseJSON } from './messages.js'

/** Inputs of PRF, of any length: what comes out depends on them and on the passkey alone. @see WebAuthn Level 3 §10.1.4 */
export interface PrfInput {
  readonly first: Uint8Array
  readonly second?: Uint8Array
}

/** What PRF gave, 32 bytes each, `null` where it gave nothing. A secret of the page: it is never part of an answer. */
export interface PrfOutput {
  /** Whether the passkey can do it; said at its creation alone, `null` afterwards. */
  readonly enabled: boolean | null
  readonly first: Uint8Array | null
  readonly second: Uint8Array | null
}

/** What both calls take. */
export interface PasskeyOptions {
  /** Without a dialog: a `create` beside a login by password, a `get` in the autofill of `<input autocomplete="username webauthn">`. */
  readonly mediation?: 'conditional'
  readonly signal?: AbortSignal
  /** In place of what the server suggests. */
  readonly hints?: readonly Hint[]
  /** Asks for PRF; at creation `{}` asks whether it can be had. `evalByCredential` is by credential id, for `get` with a list alone. */
  readonly prf?: { readonly eval?: PrfInput; readonly evalByCredential?: Readonly<Record<string, PrfInput>> }
}

/** `answer` is for the server, `prf` stays in the page. */
export interface PasskeyResult<T> {
  readonly answer: T
  readonly prf: PrfOutput
}

/** Every code that the browser's half ends with. */
export type PasskeyCode =
  `webauthn.${'cancelled' | 'timed_out' | 'aborted' | 'already_registered' | 'origin' | 'unsupported' | 'constraint' | 'busy' | 'malformed' | 'failed'}`

/** The passkeys of one page. It asks for one at a time: a newer call calls the older off, so that a button may follow the autofill. */
export interface PasskeyClient {
  /**
   * Makes a passkey.
   * @param step - `{publicKey}` as `begin` answered it
   * @throws PosternError with a {@link PasskeyCode} and the browser's own error as `cause`
   */
  create(step: unknown, o?: PasskeyOptions): Promise<PasskeyResult<RegistrationResponseJSON>>
  /** Uses one. @throws PosternError with a {@link PasskeyCode} and the browser's own error as `cause` */
  get(step: unknown, o?: PasskeyOptions): Promise<PasskeyResult<AuthenticationResponseJSON>>
}

/** What the browser says it can do; `null` where it does not say. @see WebAuthn Level 3 §5.1.7 */
export type PasskeyCapabilities = Readonly<Record<(typeof CAPABILITIES)[number], boolean | null>> & {
  /** Whether there are passkeys at all: in an old browser and in a page without TLS there are none. */
  readonly webauthn: boolean
  readonly prf: boolean | null
}

const CAPABILITIES = [
  'conditionalCreate',
  'conditionalGet',
  'hybridTransport',
  'passkeyPlatformAuthenticator',
  'userVerifyingPlatformAuthenticator',
  'relatedOrigins',
  'signalUnknownCredential',
  'signalAllAcceptedCredentials',
  'signalCurrentUserDetails',
] as const

/** What older browsers answer the same question by. */
const OLDER: Readonly<Record<string, string>> = {
  conditionalGet: 'isConditionalMediationAvailable',
  userVerifyingPlatformAuthenticator: 'isUserVerifyingPlatformAuthenticatorAvailable',
}

/** By the name of what the browser throws (§5.1.3, §5.1.4). */
const CODES: ReadonlyMap<string, PasskeyCode> = /* @__PURE__ */ new Map<string, PasskeyCode>([
  ['NotAllowedError', 'webauthn.cancelled'],
  ['TimeoutError', 'webauthn.timed_out'],
  ['AbortError', 'webauthn.aborted'],
  ['SecurityError', 'webauthn.origin'],
  ['NotSupportedError', 'webauthn.unsupported'],
  ['ConstraintError', 'webauthn.constraint'],
  ['OperationError', 'webauthn.busy'],
  ['TypeError', 'webauthn.malformed'],
  ['EncodingError', 'webauthn.malformed'],
])

/**
 * The client of a page.
 * @param o - `clock` in ms: a browser says the same when nobody answered in time and when somebody said no
 *
 * @example
 * const passkeys = createPasskeyClient({ clock: Date.now })
 * const { answer } = await passkeys.get({ publicKey })
 */
export function createPasskeyClient({ clock }: { readonly clock: () => number }): PasskeyClient {
  let latest: AbortController | null = null

  async function ask<T>(kind: 'create' | 'get', step: unknown, o: PasskeyOptions): Promise<PasskeyResult<T>> {
    const { signal, mediation, hints, prf } = o
    const { container, type } = platform()
    if (container === undefined || type === undefined) throw new PosternError('webauthn.unsupported', { reason: 'no API' })
    latest?.abort()
    const controller = new AbortController()
    latest = controller
    const callOff = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', callOff)
    if (signal?.aborted === true) callOff()
    const begun = clock()
    const json = isBag(step) && isBag(step['publicKey']) ? step['publicKey'] : {}
    try {
      const options = optionsOf(json, type[kind === 'create' ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON'])
      const publicKey = {
        ...options,
        ...(hints && { hints }),
        ...(prf && { extensions: { ...(options['extensions'] as Bag | undefined), prf } }),
      }
      // Nothing is awaited before: the browser asks only right after a click.
      const credential = await container[kind]!({ publicKey, signal: controller.signal, ...(mediation && { mediation }) })
      if (isBag(credential)) {
        const results = ((credential as CredentialClass)['getClientExtensionResults']?.call(credential) ?? {}) as Bag
        return { answer: answerOf(credential, results) as T, prf: prfOutput(results['prf']) }
      }
    } catch (cause) {
      if (controller.signal.aborted) throw calledOff(controller.signal.reason)
      const code = codeOf(cause, kind)
      const late = mediation === undefined && clock() - begun >= Number(json['timeout'])
      throw new PosternError(late && code === 'webauthn.cancelled' ? 'webauthn.timed_out' : code, { cause })
    } finally {
      signal?.removeEventListener('abort', callOff)
    }
    throw new PosternError('webauthn.cancelled', { reason: 'no credential' })
  }

  return { create: (step, o = {}) => ask('create', step, o), get: (step, o = {}) => ask('get', step, o) }
}

/** Asks the browser, by older questions where it lacks the newer. */
export async function passkeyCapabilities(): Promise<PasskeyCapabilities> {
  const { container, type = {} } = platform()
  const said = ((await type['getClientCapabilities']?.call(type)) ?? {}) as Bag
  const answer = async (name: string): Promise<boolean | null> => {
    if (typeof said[name] === 'boolean') return said[name]
    const older = type[OLDER[name] ?? '']
    if (older !== undefined) return (await older.call(type)) === true
    return name.startsWith('signal') ? name in type : null
  }
  const found = await Promise.all(CAPABILITIES.map(async (name) => [name, await answer(name)]))
  return {
    ...Object.fromEntries(found),
    webauthn: container !== undefined && 'prototype' in type,
    prf: await answer('extension:prf'),
  }
}

/**
 * Tells the browser that the server does not know a credential, so that it is not offered again.
 * @param o - `credentialId` in base64url, as in `answer`
 * @returns whether the browser takes such word
 * @throws PosternError `webauthn.malformed` | `webauthn.origin` | `webauthn.failed`
 * @see WebAuthn Level 3 §5.1.10
 */
export function signalUnknownCredential(o: { readonly rpId: string; readonly credentialId: string }): Promise<boolean> {
  return signal('signalUnknownCredential', o)
}

/**
 * Tells the browser which credentials a user has, all of them: others are hidden, or removed. `userId` is `user.id` of the creation options.
 * @returns whether the browser takes such word
 * @throws PosternError as {@link signalUnknownCredential}
 */
export function signalAllAcceptedCredentials(o: {
  readonly rpId: string
  readonly userId: string
  readonly allAcceptedCredentialIds: readonly string[]
}): Promise<boolean> {
  return signal('signalAllAcceptedCredentials', o)
}

/** Tells the browser the names that a user has now. @returns whether the browser takes such word @throws PosternError as {@link signalUnknownCredential} */
export function signalCurrentUserDetails(o: {
  readonly rpId: string
  readonly userId: string
  readonly name: string
  readonly displayName: string
}): Promise<boolean> {
  return signal('signalCurrentUserDetails', o)
}

async function signal(name: string, details: object): Promise<boolean> {
  const { type = {} } = platform()
  try {
    await type[name]?.call(type, details)
  } catch (cause) {
    throw new PosternError(codeOf(cause), { cause })
  }
  return name in type
}

/** The browser's API, each part of which may be missing. */
function platform(): { readonly container: CredentialClass | undefined; readonly type: CredentialClass | undefined } {
  const { navigator, PublicKeyCredential } = globalThis as {
    readonly navigator?: { readonly credentials?: unknown }
    readonly PublicKeyCredential?: unknown
  }
  return {
    container: navigator?.credentials as CredentialClass | undefined,
    type: PublicKeyCredential as CredentialClass | undefined,
  }
}

function codeOf(cause: unknown, kind?: 'create' | 'get'): PasskeyCode {
  const name = isBag(cause) ? String(cause['name']) : ''
  // Said only after the user has agreed, so that no page learns of it (§5.1.3).
  if (name === 'InvalidStateError' && kind === 'create') return 'webauthn.already_registered'
  return CODES.get(name) ?? 'webauthn.failed'
}

/** By the page or a newer call, or by a signal that measures time. */
function calledOff(cause: unknown): PosternError<PasskeyCode> {
  const code = codeOf(cause)
  return new PosternError(code === 'webauthn.timed_out' ? code : 'webauthn.aborted', { cause })
}

function prfOutput(prf: unknown): PrfOutput {
  const { enabled = null, results = {} } = (prf ?? {}) as { readonly enabled?: boolean; readonly results?: Bag }
  const bytes = (name: string): Uint8Array | null => (isBag(results[name]) ? new Uint8Array(results[name] as never) : null)
  return { enabled, first: bytes('first'), second: bytes('second') }
}
