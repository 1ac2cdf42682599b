/** What the ladders of txn/v1 work with, and what they answer: one commit each, and what follows from it. */
import { setBounded } from '@postern/core/boundedMap'
import type { CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import { thumbprint } from '@postern/core/jwk'
import type { Clock, Random } from '@postern/core/runtime'
import type { Op, Part, Rec } from '@postern/store'
import type { EventDraft, Refusal } from '../authenticator.js'
import { encodeTransaction, type Transaction } from '../transaction/encoding.js'
import type { KeyCache } from './deviceSignature.js'
import { refusal } from './refusal.js'

/** Live records of the place's partition by key; linearizable, as `Store.read`. */
export type Read = (keys: readonly string[]) => Promise<readonly (Rec | null)[]>

/**
 * One commit in the place's partition. `reply` takes the records of the applied one, one for each of `ops`, and may refuse (a number that was
 * wrong is known only when its try is counted): that refusal's commit is one of its own. `lost` gets the index within `ops` and what is there.
 * With neither `ops` nor `event` nothing is committed and `reply` takes `[]`.
 */
export interface Plan<T> {
  readonly ok: true
  readonly ops: readonly Op[]
  readonly event: EventDraft | null
  reply(recs: readonly (Rec | null)[]): Now<T | Refusal>
  lost(at: number, current: Rec | null): Plan<T> | Refusal
}

/** Where transactions of one user, or the one of a picture, live. */
export interface Place {
  readonly issuer: string
  readonly tenant: string
  /** `usr:<h>`; for a picture `dg:<h>`. */
  readonly part: Part
}

/** What a client asks to be confirmed. The rest of a {@link Transaction} is the server's. */
export type TransactionAsk = Pick<
  Transaction,
  'client' | 'app' | 'kind' | 'display' | 'amount' | 'payee' | 'match' | 'origin' | 'data'
> & {
  /** 1 to 3,600. @defaultValue 300 */
  readonly lifeSec?: number
  /** Cancels what this client has pending, instead of `transaction.pending`. It counts as asked all the same. */
  readonly replace?: boolean
}

export interface TransactionPorts {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  readonly keys: KeyCache
  /** jkt; remembered for the keys that come often. */
  readonly thumbprint: (key: JsonWebKey) => Promise<string>
  /** K_n */
  readonly numberKey: () => Promise<HmacKey>
  /** K_q */
  readonly qrKey: () => Promise<HmacKey>
  /** ms after its end that a transaction is kept; `null` for ever. */
  readonly keepMs: number | null
}

/** RFC 7638 thumbprints of up to `size` keys; the oldest goes first. */
export function thumbprints(crypto: CryptoPort, size = 4096): TransactionPorts['thumbprint'] {
  const known = new Map<string, string>()
  return async (key) => {
    const name = `${key.crv}.${key.x}.${key.y}`
    const jkt = known.get(name) ?? (await thumbprint(crypto, key))
    setBounded(known, name, jkt, size)
    return jkt
  }
}

/** A transaction as it was encoded, and what of it is needed without decoding. */
export interface Asked {
  readonly bytes: Uint8Array
  readonly client: string
  readonly match: 0 | 1
  /** ms */
  readonly expiresAt: number
}

/** Encodes a transaction once: these bytes are stored, shown and signed. @throws `transaction.invalid` */
export function encodeAsk(place: Place, ask: TransactionAsk, id: Uint8Array, ports: TransactionPorts): Asked {
  const { client, app, kind, display, amount, payee, match, origin, data, lifeSec = 300 } = ask
  const created = Math.floor(ports.clock() / 1000)
  const transaction: Transaction = {
    issuer: place.issuer,
    tenant: place.tenant,
    client,
    app,
    id,
    kind,
    display,
    ...(amount !== undefined && { amount }),
    ...(payee !== undefined && { payee }),
    created,
    expires: created + lifeSec,
    nonce: ports.random(32),
    match,
    ...(origin !== undefined && { origin }),
    ...(data !== undefined && { data }),
  }
  return { bytes: encodeTransaction(transaction), client, match, expiresAt: transaction.expires * 1000 }
}

/** When a record of a transaction goes, as a member of its op. */
export function kept(ports: TransactionPorts, expiresAt: number): { readonly expiresAt?: number } {
  return ports.keepMs === null ? {} : { expiresAt: expiresAt + ports.keepMs }
}

/** Somebody wrote in between; the same again with records freshly read. */
export function again(reason: string): Refusal {
  return refusal('authenticator.superseded', reason, { next: 'again' })
}
