/// <reference types="node" />
/**
 * RFC 9807's server once more, from the text, on Node's own hashes, HMAC and X25519; of the suite nothing but the port's types and the one error.
 * Multiplication of ristretto255 elements is @noble/curves', which is all that the two engines share.
 */
import { Buffer } from 'node:buffer'
import { createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, timingSafeEqual } from 'node:crypto'
import { ristretto255 } from '@noble/curves/ed25519.js'
import type { OpaqueServerEngine } from '@postern/authenticators/pin/server'
import { PosternError } from '@postern/core/errors'

const { Point } = ristretto255
type Bytes = Uint8Array

export const sha512 = (...parts: (Bytes | string)[]): Buffer =>
  createHash('sha512')
    .update(join(...parts))
    .digest()
export const hmac512 = (key: Bytes, ...parts: (Bytes | string)[]): Buffer =>
  createHmac('sha512', key)
    .update(join(...parts))
    .digest()
export const join = (...parts: (Bytes | string)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part as string)))
export const i2osp = (value: number, length: number): Buffer => {
  const out = Buffer.alloc(length)
  out.writeUIntBE(value, 0, length)
  return out
}
const vector = (data: Bytes | string): Buffer => join(i2osp(Buffer.from(data as string).length, 2), data)

/** HKDF-Expand-SHA-512 (RFC 5869 §2.3). */
export function expand512(prk: Bytes, info: Bytes | string, length: number): Buffer {
  let [out, last] = [Buffer.alloc(0), Buffer.alloc(0)] as [Buffer, Buffer]
  for (let i = 1; out.length < length; i++) {
    last = hmac512(prk, last, info, i2osp(i, 1))
    out = join(out, last)
  }
  return out.subarray(0, length)
}

/** The private half of DeriveKeyPair of ristretto255-SHA512, mode 0 (RFC 9497 §3.2.1, RFC 9380 §5.3.1). */
export function deriveScalar(seed: Bytes, info: string): bigint {
  const dst = join('DeriveKeyPairOPRFV1-', i2osp(0, 1), '-ristretto255-SHA512')
  const tail = join(dst, i2osp(dst.length, 1))
  const message = join(seed, vector(info), i2osp(0, 1))
  const b0 = sha512(Buffer.alloc(128), message, i2osp(64, 2), i2osp(0, 1), tail)
  const uniform = sha512(b0, i2osp(1, 1), tail)
  return BigInt(`0x${Buffer.from(uniform).reverse().toString('hex')}`) % Point.Fn.ORDER
}

interface Group {
  check(element: Bytes): void
  pair(seed: Bytes): { privateKey: Bytes; publicKey: Bytes }
  dh(privateKey: Bytes, publicKey: Bytes): Bytes
}

const refused = () => new PosternError('opaque.refused', { reason: 'outside engine' })

function multiplied(element: Bytes, scalar: bigint): Bytes {
  try {
    const point = Point.fromBytes(element)
    if (!point.is0()) return point.multiply(scalar).toBytes()
  } catch {
    // Refused below.
  }
  throw refused()
}

const little = (bytes: Bytes) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)

export const ristretto: Group = {
  check: (element) => void multiplied(element, 1n),
  pair(seed) {
    const scalar = deriveScalar(seed, 'OPAQUE-DeriveDiffieHellmanKeyPair')
    const privateKey = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse()
    return { privateKey, publicKey: Point.BASE.multiply(scalar).toBytes() }
  },
  dh: (privateKey, publicKey) => multiplied(publicKey, little(privateKey)),
}

const [pkcs8, spki] = ['302e020100300506032b656e04220420', '302a300506032b656e032100'].map((hex) => Buffer.from(hex, 'hex')) as [
  Buffer,
  Buffer,
]
export const x25519: Group = {
  check: (element) => void x25519.dh(new Uint8Array(32).fill(8), element),
  pair(seed) {
    const key = createPrivateKey({ key: join(pkcs8, seed), format: 'der', type: 'pkcs8' })
    return { privateKey: seed, publicKey: createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32) }
  },
  dh(seed, element) {
    try {
      const privateKey = createPrivateKey({ key: join(pkcs8, seed), format: 'der', type: 'pkcs8' })
      const publicKey = createPublicKey({ key: join(spki, element), format: 'der', type: 'spki' })
      return diffieHellman({ privateKey, publicKey })
    } catch {
      throw refused()
    }
  },
}

export function outsideEngine(group: Group): OpaqueServerEngine {
  const oprfScalar = async (keys: { expandSeed(info: Bytes): Bytes | Promise<Bytes> }, credential: Bytes) =>
    deriveScalar(await keys.expandSeed(join(credential, 'OprfKey')), 'OPAQUE-DeriveKeyPair')
  return {
    async registrationResponse({ request, credentialIdentifier, keys }) {
      return join(multiplied(request, await oprfScalar(keys, credentialIdentifier)), keys.publicKey)
    },
    check(ke1) {
      if (ke1.length !== 96) throw refused()
      ristretto.check(ke1.subarray(0, 32))
      group.check(ke1.subarray(64))
    },
    checkRecord(record) {
      if (record.length !== 192) throw refused()
      group.check(record.subarray(0, 32))
    },
    async ke2({ record, ke1, credentialIdentifier, context, clientIdentity, serverIdentity, seed, keys }) {
      const random = expand512(seed, 'postern:pin/v1:ke2', 96)
      const [maskingNonce, serverNonce, shareSeed] = [random.subarray(0, 32), random.subarray(32, 64), random.subarray(64)]
      const stored = record ?? join(keys.fakePublicKey, hmac512(keys.fakeSeed, credentialIdentifier), Buffer.alloc(96))
      const [clientKey, maskingKey, envelope] = [stored.subarray(0, 32), stored.subarray(32, 96), stored.subarray(96)]
      const evaluated = multiplied(ke1.subarray(0, 32), await oprfScalar(keys, credentialIdentifier))
      const pad = expand512(maskingKey, join(maskingNonce, 'CredentialResponsePad'), 128)
      const masked = join(keys.publicKey, envelope).map((byte, i) => byte ^ pad[i]!)
      const share = group.pair(shareSeed)
      const clientShare = ke1.subarray(64)
      const inner = join(evaluated, maskingNonce, masked, serverNonce, share.publicKey)
      const preamble = join('OPAQUEv1-', vector(context), vector(clientIdentity), ke1, vector(serverIdentity), inner)
      const ikm = join(
        group.dh(share.privateKey, clientShare),
        group.dh(keys.privateKey, clientShare),
        group.dh(share.privateKey, clientKey),
      )
      const prk = hmac512(Buffer.alloc(64), ikm)
      const secret = (from: Bytes, label: string, transcript: Bytes) =>
        expand512(
          from,
          join(i2osp(64, 2), i2osp(label.length + 7, 1), 'OPAQUE-', label, i2osp(transcript.length, 1), transcript),
          64,
        )
      const handshake = secret(prk, 'HandshakeSecret', sha512(preamble))
      const serverMac = hmac512(secret(handshake, 'ServerMAC', Buffer.alloc(0)), sha512(preamble))
      const clientMac = hmac512(secret(handshake, 'ClientMAC', Buffer.alloc(0)), sha512(preamble, serverMac))
      return { ke2: join(inner, serverMac), state: join(clientMac, secret(prk, 'SessionKey', sha512(preamble))) }
    },
    async finish(state, ke3) {
      return timingSafeEqual(state.subarray(0, 64), ke3) ? state.subarray(64) : null
    },
  }
}
