/**
 * What a user has agreed to before, so that a host's page need not ask again: one record for each shared client of a user. It never
 * expires; `revoke` of that client's access deletes it. `authorization_details` are not kept: they are of one transaction each.
 */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Part, Rec } from '@postern/store'
import { commit } from './internal/commit.js'
import { kitOf } from './internal/kit.js'
import type { IssuerContext } from './issuer.js'

/** A user and a shared client. */
export interface ConsentOf {
  /** The host's subject id. */
  readonly subject: string
  readonly clientId: string
}

export interface Consent {
  /** Everything agreed to since the last revocation. */
  readonly scope: readonly string[]
  /** Ms: when something was last added. */
  readonly at: number
}

const MAX_TRIES = 4

/** The consent that stands, or `null`. One read. @throws PosternError `store.schema_unknown` */
export async function readConsent(of: ConsentOf, context: IssuerContext): Promise<Consent | null> {
  return consentIn(await recordAt(await placeOf(of, context), context))
}

/**
 * Adds to the consent that stands. Call it when the user has agreed, before the interaction is resumed: a consent without a code harms
 * nobody.
 * @throws PosternError `store.overloaded` | `store.outcome_unknown` | `store.unavailable`
 */
export async function recordConsent(of: ConsentOf, scope: readonly string[], context: IssuerContext): Promise<void> {
  const place = await placeOf(of, context)
  for (let n = 0; n < MAX_TRIES; n++) {
    const rec = await recordAt(place, context)
    const before = consentIn(rec)?.scope ?? []
    if (rec !== null && scope.every((token) => before.includes(token))) return
    const value = utf8(JSON.stringify({ v: 1, scope: [...new Set([...before, ...scope])], at: context.runtime.clock() }))
    const { answer } = await commit(place.part, [{ op: 'put', key: place.key, value, rev: rec?.rev ?? null }], context)
    if (answer.ok) return
  }
  throw new PosternError('store.overloaded')
}

interface Place {
  readonly part: Part
  readonly key: string
}

async function placeOf({ subject, clientId }: ConsentOf, context: IssuerContext): Promise<Place> {
  const { places } = kitOf(context)
  return { part: await places.user(subject), key: await places.consent(clientId) }
}

async function recordAt({ part, key }: Place, { runtime }: IssuerContext): Promise<Rec | null> {
  const [rec = null] = await runtime.store.read(part, [key], { now: runtime.clock() })
  return rec
}

function consentIn(rec: Rec | null): Consent | null {
  if (rec === null) return null
  const { v, scope, at } = JSON.parse(fromUtf8(rec.value) ?? '{}') as Consent & { readonly v?: number }
  if (v !== 1) throw new PosternError('store.schema_unknown')
  return { scope, at }
}
