/** What the registration of a shared client needs besides its metadata: its software statement, and the secret it may send back. */
import { encodeBase64url } from '@postern/core/base64url'
import { equal, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import type { Client, ClientMetadata, RegistrationCall } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { commit } from './commit.js'
import { readClientMetadata } from './sharedMetadata.js'
import { readStatement, type Statement } from './softwareStatement.js'

/** A registration that was read. */
export interface ReadShared {
  readonly shared: ClientMetadata
  /** What makes its software statement single-use. */
  readonly spent: Statement['marker'] | null
}

/** @param before - the client as it is registered, at an update: the statement it was registered with may come again */
export async function readShared(metadata: JsonObject, before: Client | null, context: IssuerContext): Promise<ReadShared> {
  const text = metadata.software_statement
  if (text === undefined || text === null) return { shared: await readClientMetadata(metadata, null, context), spent: null }
  const known = before !== null && before.metadata?.software_statement === text
  const { issuer, members, marker } = await readStatement(text, context.clients.statements ?? [], context, { known })
  const shared = await readClientMetadata(metadata, { issuer, members }, context)
  return { shared, spent: known ? null : marker }
}

/** What the port is asked. */
export function sharedCall(
  metadata: JsonObject,
  shared: ClientMetadata,
  { serial, request }: Pick<RegistrationCall, 'serial' | 'request'>,
): RegistrationCall {
  return { metadata, shared, redirectUris: shared.redirectUris, jwk: null, proof: null, serial, request }
}

/** Last of all, so that a registration that is refused for another reason leaves its statement good. */
export async function spendStatement(marker: Statement['marker'] | null, context: IssuerContext): Promise<void> {
  if (marker === null) return
  const { answer } = await commit(marker.part, [marker.op], context)
  if (!answer.ok) throw new PosternError('statement.refused', { reason: 'statement.replayed' })
}

/** Whether a client sends back the secret that it has. */
export async function isSecret(value: JsonValue, { auth }: Client, { runtime: { crypto } }: IssuerContext): Promise<boolean> {
  if (typeof value !== 'string') return false
  const hash = encodeBase64url(await crypto.digest('SHA-256', utf8(value)))
  if ('secretHashes' in auth) return auth.secretHashes.some((one) => equal(utf8(one), utf8(hash)))
  return auth.method === 'client_secret_jwt' && equal(utf8(await auth.secret()), utf8(value))
}
