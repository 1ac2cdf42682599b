/** `POST /token` (RFC 6749 §3.2): form, client, proof, grant, commit, sign, reply; in this order and nowhere else. */
import { PosternError } from '@postern/core/errors'
import type { Op } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Evaluated, GrantType, Issue, Refusal } from './grant.js'
import { clientCredentials } from './grants/clientCredentials.js'
import { code } from './grants/code.js'
import { refresh } from './grants/refresh.js'
import { authenticate, spend } from './internal/authenticate.js'
import { commit, commitRepeatable } from './internal/commit.js'
import { endpoint, urlOf } from './internal/endpoint.js'
import { ship, tell } from './internal/events.js'
import { json, readForm } from './internal/http.js'
import { issue } from './internal/issue.js'
import { malformed } from './internal/wire.js'
import type { Handler, IssuerContext } from './issuer.js'

/** What every deployment uses: code, refresh, client credentials. */
export const defaultGrants: readonly GrantType[] = /* @__PURE__ */ [code, refresh, clientCredentials]

/** `POST /token`. */
export function tokenEndpoint({ grants: offered = defaultGrants }: { readonly grants?: readonly GrantType[] } = {}): Handler {
  const grants = new Map<string, readonly GrantType[]>()
  for (const grant of offered) grants.set(grant.grantType, [...(grants.get(grant.grantType) ?? []), grant])
  return endpoint('token', async (request, context) => {
    const form = await readForm(request)
    const grantType = form.get('grant_type')
    if (grantType === undefined) throw malformed('grant_type is missing.')
    const named = (grants.get(grantType) ?? []).filter((one) => one.offered?.(context) !== false)
    if (named.length === 0) throw new PosternError('grant.unknown')
    const grant = named.find((one) => one.takes?.(form) !== false)
    if (grant === undefined) throw malformed('This grant type is not offered for tokens of these types.')
    const known = mayBeInstance(request, form) ? ((await grant.vouched?.(form, context)) ?? null) : null
    const caller = await authenticate(request, form, context, {
      url: urlOf('token', context),
      known,
    })
    const { client, proof, joined, markers, x5t, holder } = caller
    if (!client.grantTypes.includes(grantType)) throw new PosternError('grant.not_allowed')
    const now = context.runtime.clock()
    const evaluated = await grant.evaluate(form, { client, proof, proofOps: joined, x5t, holder, now, request, context })
    await spend(markers, context)
    return json(200, await conclude(evaluated, x5t, context))
  })
}

/** An instance proves itself by its proof alone; whoever brings a credential is none, and its handle need not be opened twice. */
function mayBeInstance(request: Request, form: ReadonlyMap<string, string>): boolean {
  const { headers } = request
  return (
    headers.get('dpop') !== null &&
    headers.get('authorization') === null &&
    headers.get('oauth-client-attestation') === null &&
    !form.has('client_secret') &&
    !form.has('client_assertion')
  )
}

/** Commits until it holds, is refused, or has been judged too often; then issues. */
async function conclude(first: Evaluated, x5t: string | null, context: IssuerContext): Promise<unknown> {
  for (let evaluated = first; ; ) {
    if ('refuse' in evaluated) throw await refused(evaluated, context)
    const done = await attempt(evaluated, x5t, context)
    if ('body' in done) return done.body
    evaluated = done.next
  }
}

async function attempt(
  evaluated: Issue,
  x5t: string | null,
  context: IssuerContext,
): Promise<{ readonly body: unknown } | { readonly next: Evaluated }> {
  const { part, ops, event } = evaluated
  const plan = x5t === null ? evaluated.plan : { ...evaluated.plan, x5t } //                               RFC 8705 §3, whatever the grant
  if (ops.length === 0) {
    if (event !== null) tell(event, context)
    return { body: await issue(plan, '', context) }
  }
  const { rev, answer } = await commit(part, withEvent(ops, event), context)
  if (!answer.ok) return { next: await evaluated.conflict(answer.at, answer.current) }
  if (event !== null) ship(part, [event], context)
  const ended = await evaluated.confirm?.()
  if (ended) return { next: ended }
  return { body: await issue(plan, rev, context) }
}

async function refused({ refuse, part, ops, otherwise, event }: Refusal, context: IssuerContext): Promise<PosternError> {
  if (ops.length === 0) return refuse
  const answer = await commitRepeatable(part, withEvent(ops, event), context)
  if (!answer.ok && otherwise !== undefined) await commitRepeatable(part, otherwise, context)
  if (answer.ok && event !== null) ship(part, [event], context)
  return refuse
}

function withEvent(ops: readonly Op[], event: Issue['event']): readonly Op[] {
  return event === null ? ops : [...ops, eventOp(event)]
}
