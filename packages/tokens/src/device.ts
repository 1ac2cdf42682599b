/** The device authorization grant (RFC 8628): a device without a browser shows a code, its user enters it elsewhere and decides there. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import type { Client } from './clients.js'
import type { Endpoint } from './endpoint.js'
import { authenticate, spendAll } from './internal/authenticate.js'
import { words } from './internal/authorizationRequest.js'
import { newId } from './internal/code.js'
import { commit } from './internal/commit.js'
import { askedDetails } from './internal/details.js'
import { DEVICE_GRANT, DEVICE_KEY, type DeviceCode, type DeviceGrant, deviceId } from './internal/deviceState.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { sealHandle } from './internal/handles.js'
import { json, readForm } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { clientResource, clientScope } from './internal/scope.js'
import { newUserCode, shownUserCode } from './internal/userCode.js'
import { encodeWaiting } from './internal/waiting.js'
import type { IssuerContext } from './issuer.js'

export { claimUserCode, type DeviceClaim, type DevicePrompt, decideDevice } from './internal/deviceDecision.js'
export { DEVICE_GRANT } from './internal/deviceState.js'
export type { Decided, UserDecision } from './internal/waiting.js'

/** A device's request, as the host is told of it. */
export interface DeviceAsk {
  /** Names the grant: {@link DevicePrompt.id} later. */
  readonly id: string
  /** Where it waits: ops of {@link DevicePort.begin} stand here. */
  readonly part: Part
  /** As it is shown: `WDJB-MJHT`. */
  readonly userCode: string
  readonly client: Client
  readonly scope: readonly string[]
  readonly resource: string
  readonly authorizationDetails: readonly JsonObject[]
  readonly acrValues: readonly string[]
  /** Ms. */
  readonly exp: number
  readonly form: ReadonlyMap<string, string>
  readonly request: Request
}

/** The device grant of an issuer. */
export interface DevicePort {
  /** The host's page for the code; short, since people type it. */
  readonly verificationUri: string
  /** Default 600, 1 to 1800. */
  readonly lifetimeSec?: number
  /** Between polls; default 5. */
  readonly intervalSec?: number
  /** User codes tried in a quarter of an hour, over all users, from which on `user_code.surge` is told; default 3,200. */
  readonly surge?: number
  /**
   * Called before a grant is stored: what else to put with it (≤ 8 ops in its partition), and what else to answer, such as
   * `verification_uri_complete`. It refuses by throwing a `PosternError`. Called again where a code was taken.
   */
  begin?(ask: DeviceAsk): Promise<{ readonly ops?: readonly Op[]; readonly members?: JsonObject }>
}

const MAX_COLLISIONS = 4
/** As long as a short sealing key surely opens. */
const MAX_LIFE_SEC = 1800

/** `POST /device_authorization` (RFC 8628 §3.1), where the issuer has a {@link DevicePort}. */
export const deviceAuthorization: Endpoint = {
  name: 'device',
  metadataName: 'device_authorization_endpoint',
  offered: ({ device }) => device !== undefined,
  handle: endpoint('device', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('device', context), tokens: false })
    const { client, proof } = caller
    if (!client.grantTypes.includes(DEVICE_GRANT)) throw new PosternError('grant.not_allowed')
    const asked = {
      client,
      scope: clientScope(form.get('scope'), client, context.config),
      resource: clientResource(form.get('resource'), client, context.config),
      authorizationDetails: askedDetails(form, client, context) ?? [],
      acrValues: words(form.get('acr_values')),
      form,
      request,
    }
    await spendAll(caller, context)
    return json(200, await begin(asked, proof?.jkt ?? null, context))
  }),
}

async function begin(
  asked: Omit<DeviceAsk, 'id' | 'part' | 'userCode' | 'exp'>,
  jkt: string | null,
  context: IssuerContext,
): Promise<JsonObject> {
  const { runtime, device } = context
  const { verificationUri, intervalSec = 5 } = device!
  const lifetimeSec = Math.min(device!.lifetimeSec ?? 600, MAX_LIFE_SEC)
  const exp = runtime.clock() + lifetimeSec * 1000
  const { client, scope, resource, authorizationDetails: details, acrValues } = asked
  const jti = newId(context)
  const grant: DeviceGrant = {
    v: 1,
    status: 'pending',
    jti,
    exp,
    clientId: client.id,
    scope,
    resource,
    details,
    acrValues,
    subject: null,
    granted: null,
  }
  for (let tries = 0; tries < MAX_COLLISIONS; tries++) {
    const code = newUserCode(runtime.random)
    const part = await kitOf(context).places.deviceGrant(code)
    const id = deviceId(part)
    const userCode = shownUserCode(code)
    const { ops = [], members = {} } = (await device!.begin?.({ ...asked, id, part, userCode, exp })) ?? {}
    const own: Op = { op: 'put', key: DEVICE_KEY, value: encodeWaiting(grant), rev: null, expiresAt: exp }
    const { answer } = await commit(part, [own, ...ops], context)
    if (!answer.ok) continue
    const handle: DeviceCode = { id, jti, exp, clientId: client.id, jkt, intervalSec }
    return {
      verification_uri: verificationUri,
      ...members,
      device_code: await sealHandle(kitOf(context), 'device', handle),
      user_code: userCode,
      expires_in: lifetimeSec,
      interval: intervalSec,
    }
  }
  throw new PosternError('store.overloaded')
}
