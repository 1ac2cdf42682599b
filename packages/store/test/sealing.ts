/// <reference types="node" />
/** What the tests of sealing share: keys that are the same in every run, and randomness that is not. */
import { randomBytes } from 'node:crypto'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Part, Store } from '@postern/store'
import type { DataKey, SealedPorts } from '@postern/store/sealed'

export const now = 1_767_225_600_000
export const part: Part = { tenant: 'bank', id: 'u:1' }

export function dataKey(kid: string, fill: number): DataKey {
  return { kid, secret: new Uint8Array(32).fill(fill) }
}

export function portsOf(crypto: CryptoPort = createNode()): SealedPorts {
  return { crypto, random: (n) => new Uint8Array(randomBytes(n)) }
}

let revs = 0
export const o = (): { now: number; rev: string } => ({ now, rev: String(++revs).padStart(16, '0') })

/** The value as it is stored. */
export async function storedAt(inner: Store, key: string, at: Part = part): Promise<Uint8Array> {
  return (await inner.read(at, [key], { now }))[0]!.value
}

/** Puts these very bytes there, as one who may write to the database. */
export async function forge(inner: Store, key: string, value: Uint8Array, at: Part = part): Promise<void> {
  await inner.commit(at, [{ op: 'put', key, value }], o())
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
