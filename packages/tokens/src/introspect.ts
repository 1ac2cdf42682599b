/** `POST /introspect` (RFC 7662), as JSON or signed (RFC 9701): what a token is worth now; one read. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { Client } from './clients.js'
import { mayIntrospect, type OwnToken, readOwnToken, standingOf } from './internal/accessToken.js'
import { authenticate, spendAll } from './internal/authenticate.js'
import { toClient } from './internal/encrypted.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { json, readForm, reply } from './internal/http.js'
import { kitOf } from './internal/kit.js'
import { merged } from './internal/merged.js'
import { subjectFor } from './internal/pairwise.js'
import { limitedUses, useKey } from './internal/uses.js'
import { malformed } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

const SIGNED = 'application/token-introspection+jwt'
const INACTIVE: JsonObject = { active: false }

/** `POST /introspect`. A client sees its own tokens and those of the audiences it `introspects`; of all others it learns nothing (T42). */
export function introspectEndpoint(): Handler {
  return endpoint('introspect', async (request, context) => {
    const form = await readForm(request)
    const caller = await authenticate(request, form, context, { url: urlOf('introspect', context), tokens: false })
    const { client } = caller
    // RFC 7662 §2.1: whoever asks must have proved who it is; a public client's name is no proof.
    if (client.kind === 'shared' && client.auth.method === 'none')
      throw new PosternError('client.credentials', { reason: 'public' })
    const text = form.get('token')
    if (text === undefined) throw malformed('token is missing.')
    await spendAll(caller, context)
    const token = await readOwnToken(text, context)
    const members =
      token !== null && (token.clientId === client.id || mayIntrospect(client, token))
        ? await membersOf(token, client, context)
        : INACTIVE
    const always = context.config.requireSignedIntrospection || client.encryption?.introspection !== undefined
    if (!always && !wantsSigned(request)) return json(200, members)
    return reply(200, SIGNED, await signed(members, client, context))
  })
}

async function membersOf(token: OwnToken, asker: Client, context: IssuerContext): Promise<JsonObject> {
  const { claims, jkt } = token
  const kit = kitOf(context)
  const limited = limitedUses(token, context.config)
  const counters: string[] = []
  for (const [name] of limited) counters.push(await useKey(token, name, kit))
  const standing = await standingOf(token, context, counters)
  if (standing === null) return INACTIVE
  const { app } = claims
  const { id, platform, version } = (app ?? {}) as Readonly<Record<string, string | undefined>>
  return merged(claims, {
    app: undefined,
    // Its holder sees the `sub` that its ID tokens have, a resource server the host's own, or its sector's when it is pairwise itself.
    sub: token.clientId === asker.id ? claims.sub! : await subjectFor(kit, token.subject, asker),
    nbf: claims.iat!,
    active: true,
    token_type: jkt === null ? 'Bearer' : 'DPoP',
    ...(id !== undefined && { app_id: id }),
    ...(platform !== undefined && { app_platform: platform }),
    ...(version !== undefined && { app_version: version }),
    ...usage(limited.map(([, limit], i) => ({ limit, count: standing.beside[i]?.n ?? 0 }))),
  })
}

/** Of several limited permissions, the one with the fewest uses left. */
function usage(all: readonly { readonly limit: number; readonly count: number }[]): JsonObject {
  const [least] = [...all].sort((a, b) => a.limit - a.count - (b.limit - b.count))
  return least === undefined ? {} : { usage_count: least.count, usage_limit: least.limit }
}

/** RFC 9701 §4: the caller asks for it by name. */
function wantsSigned(request: Request): boolean {
  return (request.headers.get('accept') ?? '').split(',').some((range) => range.split(';', 1)[0]!.trim().toLowerCase() === SIGNED)
}

/** RFC 9701 §5: neither `sub` nor `exp` at the top, so that it passes for no access token. Encrypted where the client registered that. */
async function signed(members: JsonObject, client: Client, context: IssuerContext): Promise<string> {
  const { issuer, keys, runtime } = context
  const now = runtime.clock()
  const { signer, kid } = keys.signing.active(now)
  const claims = { iss: issuer, aud: client.id, iat: Math.floor(now / 1000), token_introspection: members }
  return toClient('introspection', await signJws(signer, { typ: 'token-introspection+jwt', kid }, claims), client, context)
}
