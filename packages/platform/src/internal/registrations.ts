/** Custom registration: the host's own way to say who somebody is, in one step. The host owns personal data; a subject id is all that comes back. */
import { PosternError } from '@postern/core/errors'
import { object, optional, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import { issueCode } from '@postern/tokens/challenge'
import type { IssuerContext } from '@postern/tokens/issuer'
import type { Registrar } from '../registration.js'
import type { Caller } from './caller.js'
import type { Decider } from './decide.js'
import { denied } from './decide.js'
import { deviceFacts } from './facts.js'
import { json, readJson } from './http.js'
import type { Journal } from './journal.js'
import type { UserStatus } from './userStatus.js'

export interface RegistrationOptions {
  readonly registrars: Readonly<Record<string, Registrar>>
  readonly caller: Caller
  readonly decider: Decider
  readonly journal: Journal
  readonly clock: () => number
  /** What the user's own record says; `pending` where there is none yet. */
  readonly status: (subject: string) => Promise<UserStatus>
  /** The lowest level's name, which a registration yields. */
  readonly acr: string
  /** The resource of the platform's own endpoints, for which the code is. */
  readonly resource: string
}

const anyJson = (value: JsonValue): JsonValue => value
const body = object({
  client_id: text({ min: 1, max: 64 }),
  data: optional(anyJson),
  code_challenge: text({ min: 43, max: 43, pattern: /^[A-Za-z0-9_-]{43}$/ }),
  code_challenge_method: text({ max: 8, pattern: /^S256$/ }),
  scope: optional(text({ max: 256 })),
})

/** `POST /registrations/{name}/complete`. */
export function createRegistrations(o: RegistrationOptions) {
  return async (request: Request, name: string, context: IssuerContext): Promise<Response> => {
    const registrar = Object.hasOwn(o.registrars, name) ? o.registrars[name] : undefined
    if (registrar === undefined) throw new PosternError('registration.unknown')
    const sent = body(await readJson(request))
    const { client, device, proof } = await o.caller(request, sent.client_id)
    const about = { device: device.id, app: device.value.app, appVersion: device.value.version, platform: device.value.platform }
    const decision = await o.decider.decide('user.register', deviceFacts(await o.decider.config(), device.value, o.clock()))
    if (decision.outcome !== 'allow') throw denied(decision)
    const result = await outcome(registrar, sent.data ?? null, {
      app: device.value.app,
      platform: device.value.platform,
      version: device.value.version,
    })
    if (result.outcome !== 'done') {
      await o.journal.refusal(
        { ...about, type: 'user.registration_failed', outcome: 'failure', reason: result.outcome, detail: { registrar: name } },
        context.host,
      )
      throw new PosternError('registration.rejected')
    }
    const status = await o.status(result.subject)
    if (status === 'blocked' || status === 'deregistered') {
      await o.journal.refusal(
        {
          ...about,
          type: 'user.registration_failed',
          outcome: 'refused',
          subject: result.subject,
          reason: 'user.blocked',
          detail: { registrar: name },
        },
        context.host,
      )
      throw new PosternError('user.blocked')
    }
    const authorization_code = await issueCode(
      {
        client,
        login: {
          subject: result.subject,
          authTime: o.clock(),
          acr: o.acr,
          amr: result.amr ?? [],
          facts: { registration: true, status },
          refresh: false,
        },
        scope: ['enrol'],
        resource: o.resource,
        codeChallenge: sent.code_challenge,
        redirectUri: null,
        dpopJkt: proof.jkt,
      },
      context,
    )
    return json({ authorization_code, ...(result.data === undefined ? {} : { data: result.data }) })
  }
}

/** The registrar's answer; one that throws or answers outside the union has failed, and its words go nowhere. */
async function outcome(registrar: Registrar, data: JsonValue, device: { app: string; platform: string; version: string }) {
  try {
    const result = await registrar.complete({ data, device })
    if (
      result.outcome === 'done' &&
      typeof result.subject === 'string' &&
      result.subject.length > 0 &&
      result.subject.length <= 255
    )
      return result
    return { outcome: 'failed' } as const
  } catch {
    return { outcome: 'failed' } as const
  }
}
