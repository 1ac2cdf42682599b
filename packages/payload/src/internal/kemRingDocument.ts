/** Reads a ring document back: a typed, checked copy. */
import { decodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import type { KemEntry, KemRingDocument } from '../keys.js'
import { knownKem } from './kem/kem.js'

/** @throws PosternError `keys.invalid` */
export function readKemRing(document: KemRingDocument): KemRingDocument {
  const { v, aeads, keys } = document
  if (v !== 1 || !Array.isArray(aeads) || !Array.isArray(keys)) throw invalid('members')
  if (aeads.length === 0 || !aeads.every((aead) => aead === 1 || aead === 2 || aead === 3)) throw invalid('aeads')
  if (keys.length === 0 || keys.length > 255) throw invalid('number of keys')
  const entries = keys.map(readEntry)
  if (new Set(entries.map(({ keyId }) => keyId)).size !== entries.length) throw invalid('a key id twice')
  return { v: 1, aeads: [...aeads], keys: entries }
}

function readEntry(entry: KemEntry): KemEntry {
  const { keyId, kem, secret, publishAt, activateAt, retireAt, dropAt } = entry
  if (!Number.isInteger(keyId) || keyId < 0 || keyId > 255) throw invalid('key id')
  if (knownKem(kem) === null) throw invalid('kem')
  if (typeof secret !== 'string' || decodeBase64url(secret)?.length !== 32) throw invalid('secret')
  if (![publishAt, activateAt, retireAt, dropAt].every(Number.isSafeInteger)) throw invalid('times')
  if (!(publishAt <= activateAt && activateAt < retireAt && retireAt <= dropAt)) throw invalid('order of times')
  return { keyId, kem, secret, publishAt, activateAt, retireAt, dropAt }
}

function invalid(reason: string): PosternError<'keys.invalid'> {
  return new PosternError('keys.invalid', { reason: `KEM ring: ${reason}` })
}
