/** Which primitives a runtime's WebCrypto may be trusted with: asked once, by a known answer, at first use. */
import { encodeBase64url } from '../base64url.js'
import { concat, equal, fromHex } from '../bytes.js'

export type Primitive = 'X25519' | 'Ed25519' | 'P-256' | 'P-384' | 'P-521'

const answers: WeakMap<SubtleCrypto, Map<Primitive, Promise<boolean>>> = /* @__PURE__ */ new WeakMap()

/** Whether `subtle` has the primitive and gets it right. `null` stands for RSA, which every WebCrypto has. */
export function knows(subtle: SubtleCrypto, primitive: Primitive | null): Promise<boolean> {
  if (primitive === null) return Promise.resolve(true)
  let known = answers.get(subtle)
  if (known === undefined) answers.set(subtle, (known = new Map()))
  let answer = known.get(primitive)
  if (answer === undefined) {
    const test = primitive === 'X25519' ? x25519(subtle) : primitive === 'Ed25519' ? ed25519(subtle) : curve(subtle, primitive)
    answer = test.catch(() => false)
    known.set(primitive, answer)
  }
  return answer
}

type Bytes = Uint8Array<ArrayBuffer>
const bytes = (text: string): Bytes => fromHex(text) as Bytes

/** The first iteration of RFC 7748 §5.2. */
async function x25519(subtle: SubtleCrypto): Promise<boolean> {
  const nine = Uint8Array.of(9, ...new Uint8Array(31))
  const raw = concat(bytes('302e020100300506032b656e04220420'), nine) as Bytes
  const key = await subtle.importKey('pkcs8', raw, 'X25519', false, ['deriveBits'])
  const peer = await subtle.importKey('raw', nine, 'X25519', false, [])
  const secret = new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: peer }, key, 256))
  return equal(secret, bytes('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'))
}

/** TEST 1 of RFC 8032 §7.1: signing is deterministic, so the signature itself is the answer. */
async function ed25519(subtle: SubtleCrypto): Promise<boolean> {
  const x = encodeBase64url(bytes('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'))
  const d = encodeBase64url(bytes('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'))
  const jwk = { kty: 'OKP', crv: 'Ed25519', x, d }
  const key = await subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign'])
  const signature = new Uint8Array(await subtle.sign('Ed25519', key, new Uint8Array(0)))
  return equal(
    signature,
    bytes(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ),
  )
}

/** Signs and verifies once: some runtimes know the name of P-521 and no more. */
async function curve(subtle: SubtleCrypto, namedCurve: string): Promise<boolean> {
  const { privateKey, publicKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve }, false, ['sign', 'verify'])
  const how = { name: 'ECDSA', hash: 'SHA-512' }
  const signature = await subtle.sign(how, privateKey, new Uint8Array(8))
  return subtle.verify(how, publicKey, signature, new Uint8Array(8))
}
