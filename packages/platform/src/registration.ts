/** Custom registration: the host's own functions, plain values in and out. */
import type { JsonValue } from '@postern/core/json'

/** What a registrar is told of the device that asks. */
export interface RegistrarDevice {
  readonly app: string
  readonly platform: string
  readonly version: string
}

export type RegistrarResult =
  /** The host knows who this is. `subject`: its own id, 1–255 characters; `amr`: RFC 8176 values of how it found out. */
  | { readonly outcome: 'done'; readonly subject: string; readonly amr?: readonly string[]; readonly data?: JsonValue }
  | { readonly outcome: 'failed'; readonly data?: JsonValue }

/**
 * One way to register. A throw or a result outside the union is `registration.rejected`; its message never leaves the server.
 * @example
 * const branch: Registrar = { complete: async ({ data }) => ({ outcome: 'done', subject: await redeemLetter(data) }) }
 */
export interface Registrar {
  complete(call: { readonly data: JsonValue; readonly device: RegistrarDevice }): Promise<RegistrarResult>
}
