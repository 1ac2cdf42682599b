/** `POST /introspect` (RFC 7662): what a token is worth now; one read. */
import { PosternError } from '@postern/core/errors'
import { isActive, type OwnToken, readOwnToken } from './internal/accessToken.js'
import { authenticate, type Caller, spendAll } from './internal/authenticate.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { json, readForm } from './internal/http.js'
import { malformed } from './internal/wire.js'
import type { Handler } from './issuer.js'

/** `POST /introspect`. A client sees tokens of the audiences it `introspects`; of all others it learns nothing (T42). */
export function introspectEndpoint(): Handler {
  return endpoint('introspect', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('introspect', context), tokens: false })
    // RFC 7662 §2.1: whoever asks must have proved who it is; a public client's name is no proof.
    if (caller.client.kind === 'shared' && caller.client.auth.method === 'none')
      throw new PosternError('client.credentials', { reason: 'public' })
    const text = form.get('token')
    if (text === undefined) throw malformed('token is missing.')
    await spendAll(caller, context)
    const token = await readOwnToken(text, context)
    if (token === null || !maySee(token, caller) || !(await isActive(token, context))) return json(200, { active: false })
    return json(200, membersOf(token))
  })
}

function maySee({ claims, clientId }: OwnToken, { client }: Caller): boolean {
  return clientId === client.id || (client.introspects ?? []).some((audience) => audience === claims.aud)
}

function membersOf({ claims, jkt }: OwnToken): Record<string, unknown> {
  const { app, ...rest } = claims as Record<string, unknown>
  const { id, platform, version } = (app ?? {}) as Record<string, string | undefined>
  return {
    ...rest,
    active: true,
    token_type: jkt === null ? 'Bearer' : 'DPoP',
    ...(id !== undefined && { app_id: id }),
    ...(platform !== undefined && { app_platform: platform }),
    ...(version !== undefined && { app_version: version }),
  }
}
