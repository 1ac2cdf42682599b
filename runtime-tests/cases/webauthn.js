// @ts-check
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { createPasskeyClient, passkeyCapabilities } from '@postern/authenticators/webauthn/browser'
import { registerPasskey } from '@postern/authenticators/webauthn/register'
import { verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { createWebauthn, locatePasskey } from '@postern/authenticators/webauthn/server'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, fromHex, u16, u32, utf8 } from '@postern/core/bytes'
import { writeCbor } from '@postern/core/cbor'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { systemPorts } from '@postern/core/systemRuntime'
import { parseCertificate } from '@postern/core/x509'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { refuses, same } from './assert.js'
import { ed448 } from './webauthnPair.js'

const crypto = createCrypto()
const { clock, random } = systemPorts()
const origin = 'https://bank.example'
/** @param {string} text */
const hex = (text) => /** @type {Uint8Array} */ (fromHex(text))
/** @param {string} text */
const base64url = (text) => encodeBase64url(hex(text))

/** @typedef {{ coseKey: Map<number, unknown>, sign(data: Uint8Array): Uint8Array | Promise<Uint8Array> }} Key */

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  ['webauthn: a passkey of ES256 is registered in four commits and signs in with one', () => passkey(es256)],
  ['webauthn: the same with ML-DSA-65, natively or in JavaScript', () => passkey(mlDsa65)],
  ['webauthn: an Ed448 key, its attestation and chain, of the specification’s own pairs', specification],
  [
    'webauthn: where there is no browser there are no passkeys, and the browser half says so',
    browser,
    { only: ['node20', 'node22', 'node24', 'deno', 'bun', 'workerd', 'reactNative'] },
  ],
]

/** @returns {Promise<Key>} */
async function es256() {
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const [x, y] = [signer.publicJwk.x, signer.publicJwk.y].map((text) => decodeBase64url(text ?? ''))
  const coseKey = new Map(
    /** @type {[number, unknown][]} */ ([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ]),
  )
  return { coseKey, sign: async (data) => derOf(await signer.sign(data)) }
}

/** @returns {Key} */
function mlDsa65() {
  const { publicKey, secretKey } = ml_dsa65.keygen(random(32))
  const coseKey = new Map(
    /** @type {[number, unknown][]} */ ([
      [1, 7],
      [3, -49],
      [-1, publicKey],
    ]),
  )
  return { coseKey, sign: (data) => ml_dsa65.sign(data, secretKey) }
}

/** The SEQUENCE that authenticators write, of r‖s. @param {Uint8Array} signature */
function derOf(signature) {
  const numbers = [signature.subarray(0, 32), signature.subarray(32)].map((bytes) => {
    const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
    const positive = (digits[0] ?? 0) < 0x80 ? digits : concat(Uint8Array.of(0), digits)
    return concat(Uint8Array.of(2, positive.length), positive)
  })
  const content = concat(...numbers)
  return concat(Uint8Array.of(0x30, content.length), content)
}

/** @param {() => Key | Promise<Key>} make */
async function passkey(make) {
  const { coseKey, sign } = await make()
  const runtime = { clock, random, crypto, store: memoryStore() }
  const { short } = await openKeyRing(await createKeyRingDocument(runtime), crypto)
  const webauthn = createWebauthn({
    rp: { id: 'bank.example', name: 'Bank' },
    origins: [origin],
    algorithms: [-7, -49],
    seal: createSealer({ ring: short, ...runtime }),
    runtime,
  })
  const part = { tenant: 'bank', id: 'usr:ada' }
  const done = await runtime.store.commit(part, [{ op: 'put', key: 'u', value: utf8('{}') }], {
    now: clock(),
    rev: newRev(random),
  })
  const rev = done.ok ? (done.recs[0]?.rev ?? '') : ''
  const names = { issuer: origin, tenant: 'bank', app: 'retail', part, user: { rev }, device: null, bind: null }
  const ceremony = /** @type {const} */ ({ ...names, enrolment: null, userVerification: 'required' })
  const id = random(32)

  /** @param {'create' | 'get'} type @param {string} challenge @param {Uint8Array} tail */
  const signed = async (type, challenge, tail) => {
    const clientData = utf8(JSON.stringify({ type: `webauthn.${type}`, challenge, origin, crossOrigin: false }))
    const authData = concat(await crypto.digest('SHA-256', utf8('bank.example')), tail)
    return { clientData, authData, data: concat(authData, await crypto.digest('SHA-256', clientData)) }
  }
  /** @param {Record<string, unknown>} response */
  const answer = (response) => ({ id: encodeBase64url(id), rawId: encodeBase64url(id), type: 'public-key', response })

  const enrol = /** @type {const} */ ({
    ...ceremony,
    purpose: 'enrol',
    claim: { until: clock() + 120_000, owner: part.id, data: utf8('') },
  })
  const offered = await runBegin(webauthn, enrol, null, { runtime })
  if (!offered.ok) throw new Error(offered.reason)
  const { publicKey } = /** @type {any} */ (offered.value.body)
  const key = writeCbor(/** @type {any} */ (coseKey))
  const tail = concat(Uint8Array.of(0x45), u32(0), new Uint8Array(16), u16(id.length), id, key)
  const made = await signed('create', publicKey.challenge, tail)
  const object = writeCbor(
    new Map(
      /** @type {any} */ ([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', made.authData],
      ]),
    ),
  )
  const registration = answer({ clientDataJSON: encodeBase64url(made.clientData), attestationObject: encodeBase64url(object) })
  const registered = await registerPasskey(webauthn, { ...enrol, handle: offered.value.handle }, registration, { runtime })
  if (!registered.ok) throw new Error(`${registered.code} ${registered.reason}`)

  /** @param {number} flip */
  const login = async (flip) => {
    const c = /** @type {const} */ ({ ...ceremony, purpose: 'login' })
    const asked = await runBegin(webauthn, c, null, { runtime })
    if (!asked.ok) throw new Error(asked.reason)
    const { challenge } = /** @type {any} */ (asked.value.body).publicKey
    const used = await signed('get', challenge, concat(Uint8Array.of(5), u32(1)))
    const signature = await sign(used.data)
    signature[20] = (signature[20] ?? 0) ^ flip
    const assertion = answer({
      clientDataJSON: encodeBase64url(used.clientData),
      authenticatorData: encodeBase64url(used.authData),
      signature: encodeBase64url(signature),
    })
    const located = await locatePasskey(crypto, assertion)
    const name = located?.name ?? ''
    const [rec] = await runtime.store.read(part, [`wa/${name}`], { now: clock() })
    const enrolment = rec ? { id: name, rev: rec.rev, value: decodeEnrolment(rec.value) } : null
    return runFinish(webauthn, { ...c, handle: asked.value.handle, enrolment }, assertion, { runtime })
  }
  const wrong = await login(1)
  same(wrong.ok ? 'ok' : wrong.code, 'webauthn.signature', 'a flipped bit')
  const right = await login(0)
  same(right.ok ? right.value.amr : right.code, ['pop', 'user', 'swk', 'mfa'], 'login')
}

async function specification() {
  const id = base64url(ed448.id)
  const asked = /** @type {const} */ ({ rpId: 'example.org', origins: ['https://example.org'], userVerification: 'preferred' })
  /** @param {Record<string, string>} members @returns {any} */
  const answer = (members) => ({
    id,
    rawId: id,
    type: 'public-key',
    response: Object.fromEntries(Object.entries(members).map(([name, text]) => [name, base64url(text)])),
  })
  const { challenge: offered, ...registration } = ed448.registration
  const root = parseCertificate(hex(ed448.root))
  const credential = await verifyRegistration(
    answer(registration),
    { ...asked, algorithms: [-53], challenge: hex(offered), trusted: true },
    { crypto, now: Date.UTC(2026, 0, 1), trust: { anchors: { packed: [root] } } },
  )
  same([credential.attestation.type, credential.attestation.trusted], ['certified', true])
  const { challenge, ...assertion } = ed448.authentication
  const expected = { ...asked, challenge: hex(challenge) }
  const used = await verifyAuthentication(answer(assertion), credential, expected, { crypto })
  same(used.regressed, false)
  const bent = { ...assertion, signature: assertion.signature.replace(/^../, 'ff') }
  await refuses(() => verifyAuthentication(answer(bent), credential, expected, { crypto }), 'webauthn.signature')
}

async function browser() {
  await refuses(() => createPasskeyClient({ clock }).get({ publicKey: {} }), 'webauthn.unsupported')
  same((await passkeyCapabilities()).webauthn, false)
}
