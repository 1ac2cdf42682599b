/** An endpoint as data: where it answers and what discovery says of it. A host that does not pass one does not ship it. */
import type { JsonObject } from '@postern/core/json'
import type { PathName } from './internal/endpoint.js'
import type { Handler, IssuerContext } from './issuer.js'

export type { PathName } from './internal/endpoint.js'

export interface Endpoint {
  /** Names its path below the issuer. */
  readonly name: PathName
  readonly handle: Handler
  /** It answers below its path, too (`/register/{client_id}`). */
  readonly below?: true
  /** Whether this issuer has it; default yes. Where it has not, 404 and no word in the metadata. */
  offered?(context: IssuerContext): boolean
  /** Its members of the metadata document (RFC 8414 §2), besides the endpoint's own URL. */
  announce?(context: IssuerContext): JsonObject
  /** The metadata member that holds its URL. */
  readonly metadataName: string
  /** Work left over by a crash or a receiver that was down, for one issuer. @returns how much was done */
  sweep?(context: IssuerContext): Promise<number>
}
