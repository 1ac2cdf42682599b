/// <reference types="node" />
/** A keystore in a folder, for servers, tests and the command line: software keys, each in a file that only its owner reads. */
import { scrypt } from 'node:crypto'
import type { Ksf } from '@postern/authenticators/pin/client'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort, Signer } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { publicJwk } from '@postern/core/jwk'
import type { Random } from '@postern/core/runtime'
import { systemPorts } from '@postern/core/systemRuntime'
import type { KeystorePort, SignCause } from '../ports.js'
import { createFileStorage } from '../storage/file.js'

export interface FileKeystoreOptions {
  /** Made when it is not there, mode 0700; key files are 0600 and written whole or not at all. */
  readonly folder: string
  /** Stands for the system's dialog of a `biometric` key: `null` signs, a cause refuses. Default signs. */
  readonly biometric?: () => SignCause | null | Promise<SignCause | null>
  readonly crypto?: CryptoPort
  readonly random?: Random
}

interface StoredKey {
  readonly presence: 'none' | 'biometric'
  readonly jwk: JsonWebKey
}

/** @see KeystorePort */
export function createFileKeystore(o: FileKeystoreOptions): KeystorePort {
  const { folder, biometric = () => null, crypto = createCrypto(), random = systemPorts().random } = o
  const files = createFileStorage({ folder })
  const open = new Map<string, { presence: StoredKey['presence']; signer: Signer }>()

  async function find(id: string): Promise<{ presence: StoredKey['presence']; signer: Signer } | null> {
    const known = open.get(id)
    if (known !== undefined) return known
    const stored = await files.get(`key.${id}`)
    if (stored === null) return null
    const { presence, jwk } = JSON.parse(fromUtf8(stored)!) as StoredKey
    const key = { presence, signer: await crypto.signer('ES256', jwk) }
    open.set(id, key)
    return key
  }

  return {
    level: 'software',
    async create(id, { presence }) {
      const jwk = await crypto.generateKey('ES256', random)
      await files.set(`key.${id}`, utf8(JSON.stringify({ presence, jwk } satisfies StoredKey)))
      open.delete(id)
      return { publicKey: publicJwk(jwk) }
    },
    async sign(id, data, { signal }) {
      const key = await find(id)
      if (key === null) return { ok: false, cause: 'key-invalidated' }
      const cause = key.presence === 'biometric' ? await biometric() : null
      if (signal.aborted) return { ok: false, cause: 'cancelled' }
      return cause === null ? { ok: true, signature: await key.signer.sign(data) } : { ok: false, cause }
    },
    async remove(id) {
      open.delete(id)
      await files.remove(`key.${id}`)
    },
  }
}

/**
 * Native scrypt, off the main thread, for `ClientRuntime.ksf`: the same bytes as the JavaScript that stands in without it, several times faster.
 * Rejects with PosternError `pin.suite_unsupported` for suite 0002, whose stretching is Argon2id.
 */
export const nodeKsf: Ksf = (input, suite) =>
  new Promise((resolve, reject) => {
    if (suite === '0002') throw new PosternError('pin.suite_unsupported', { reason: 'no Argon2id' })
    const cost = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
    scrypt(input, new Uint8Array(16), 64, cost, (error, key) => (error === null ? resolve(new Uint8Array(key)) : reject(error)))
  })
