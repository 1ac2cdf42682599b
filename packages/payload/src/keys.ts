/** The server's KEM keys by the clock, and the signed document by which an app learns them. @see RFC 9458 §3, RFC 9540 */
import type { CryptoPort, Now, Signer } from '@postern/core/cryptoPort'
import type { Schedule } from '@postern/core/keyRing'
import type { Random } from '@postern/core/runtime'
import type { AeadId, KemId, KemPrivateKey } from './hpke.js'
import type { KeyConfig } from './ohttp.js'

/** A KEM key in the document; `secret` is base64url. */
export interface KemEntry extends Schedule {
  readonly keyId: number
  readonly kem: KemId
  readonly secret: string
}

/** The KEM keys of a tenant as plain JSON. Secret: seal it before it is stored. */
export interface KemRingDocument {
  readonly v: 1
  readonly aeads: readonly AeadId[]
  readonly keys: readonly KemEntry[]
}

/** A key as a server uses it. */
export interface KemKey extends Schedule {
  readonly config: KeyConfig
  readonly privateKey: KemPrivateKey
}

/** An opened ring. Immutable. */
export interface KemRing {
  /** What the key document lists at `now`. */
  offered(now: number): readonly KemKey[]
  /** The one key of an id that is accepted at `now`, offered or retired; `null` otherwise. Never a search. */
  find(keyId: number, now: number): KemKey | null
}

export interface KemRingPorts {
  readonly clock: () => number
  readonly random: Random
  readonly crypto: CryptoPort
}

/** A document with one key, offered at once. */
export declare function createKemRing(
  ports: KemRingPorts,
  options?: { readonly kem?: KemId; readonly aeads?: readonly AeadId[] },
): Promise<KemRingDocument>

/** The document with a successor, which all nodes know for `leadMs` (default and least 5 min) before it is offered; keys that are gone are left out. */
export declare function rotateKemRing(
  document: KemRingDocument,
  ports: KemRingPorts,
  options?: { readonly kem?: KemId; readonly leadMs?: number },
): Promise<KemRingDocument>

/** The ring of a document. @throws PosternError `keys.invalid` */
export declare function openKemRing(document: KemRingDocument, crypto: CryptoPort): Promise<KemRing>

/** What a key document says, times in seconds. */
export interface KeyDocument {
  readonly origin: string
  /** Absolute URL that takes sealed requests. */
  readonly gateway: string
  readonly seq: number
  readonly iat: number
  readonly exp: number
  readonly keys: readonly KeyConfig[]
}

/** A signed key document (`postern-keys+jwt`). */
export declare function signKeyDocument(crypto: CryptoPort, root: Signer, document: KeyDocument): Promise<string>

/** What a client demands of a key document. */
export interface KeyDocumentRules {
  readonly roots: readonly [JsonWebKey, ...JsonWebKey[]]
  readonly origin: string
  /** Milliseconds. */
  readonly now: number
  /** The last document taken, or the highest `seq` seen: neither a lower `seq` nor another document of the same is taken. */
  readonly seen?: { readonly seq: number; readonly text?: string }
}

/** @throws PosternError `payload.keys_untrusted` | `payload.keys_rolled_back` | `payload.keys_expired` */
export declare function verifyKeyDocument(crypto: CryptoPort, text: string, rules: KeyDocumentRules): Promise<KeyDocument>

export type { Now }
