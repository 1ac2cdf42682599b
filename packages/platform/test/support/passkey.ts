/// <reference types="node" />
/** A passkey in software, for a browser that a test plays: ES256, discoverable, with user verification. */
import { createHash, generateKeyPairSync, sign as signWith } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  CreationOptionsJSON,
  RegistrationResponseJSON,
  RequestOptionsJSON,
} from '@postern/authenticators/webauthn/messages'
import { encode, rfc8949EncodeOptions } from 'cborg'

export const RP = 'bank.example'
export const ORIGIN = 'https://login.bank.example'

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest()

export interface Passkey {
  create(options: CreationOptionsJSON): RegistrationResponseJSON
  get(options: RequestOptionsJSON): AuthenticationResponseJSON
}

export function softPasskey(id: Uint8Array): Passkey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const [xs, ys] = [x, y].map((text) => new Uint8Array(Buffer.from(text!, 'base64url')))
  const key = encode(
    new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, xs],
      [-3, ys],
    ]),
    rfc8949EncodeOptions,
  )
  let counter = 0
  let userHandle = ''
  const clientData = (type: string, challenge: string): Buffer =>
    Buffer.from(JSON.stringify({ type, challenge, origin: ORIGIN, crossOrigin: false }))
  const head = (rpId: string, flags: number): Buffer => {
    const tail = Buffer.alloc(5)
    tail[0] = flags
    tail.writeUInt32BE(counter, 1)
    return Buffer.concat([sha256(Buffer.from(rpId)), tail])
  }
  return {
    create(options) {
      userHandle = options.user.id
      const length = Buffer.from([id.length >> 8, id.length & 255])
      const authData = new Uint8Array(Buffer.concat([head(options.rp.id, 0x45), Buffer.alloc(16), length, id, key]))
      const attestation = encode({ fmt: 'none', attStmt: {}, authData }, rfc8949EncodeOptions)
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        response: {
          clientDataJSON: b64(clientData('webauthn.create', options.challenge)),
          attestationObject: b64(attestation),
          transports: ['internal'],
        },
        clientExtensionResults: { credProps: { rk: true } },
      }
    },
    get(options) {
      counter++
      const authData = head(options.rpId, 0x05)
      const json = clientData('webauthn.get', options.challenge)
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        response: {
          clientDataJSON: b64(json),
          authenticatorData: b64(authData),
          signature: b64(signWith('sha256', Buffer.concat([authData, sha256(json)]), privateKey)),
          userHandle,
        },
        clientExtensionResults: {},
      }
    },
  }
}
