// Assertions and registrations of the W3C pairs beside SimpleWebAuthn; a genuine Apple chain beside the two P-384 verifications in it; sizes.
// Medians of interleaved rounds, µs of CPU per operation, one JSON line a case; ratio = peer ÷ ours, limit_us = what the target allows.

import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { appleAnchors } from '@postern/authenticators/webauthn/anchors'
import { readAttestationObject } from '@postern/authenticators/webauthn/attestation'
import { credentialKeys, verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { registerPasskey } from '@postern/authenticators/webauthn/register'
import { verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { createWebauthn } from '@postern/authenticators/webauthn/server'
import { writeCbor } from '@postern/core/cbor'
import { readCoseKey } from '@postern/core/cose'
import { createCrypto as nobleCrypto } from '@postern/core/crypto/noble'
import { createCrypto as nodeCrypto } from '@postern/core/crypto/node'
import { createCrypto as webCrypto } from '@postern/core/crypto/web'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { chainMemory, isSignedBy, parseCertificate } from '@postern/core/x509'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { SettingsService, verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { build } from 'esbuild'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 15)
const EACH = Number(process.env.BENCH_EACH ?? 400)
const WARM = 2 * EACH
const PEER = '@simplewebauthn/server 14.0.3'
const vectors = process.env.POSTERN_VECTORS ?? fileURLToPath(new URL('../../../../shared/vectors', import.meta.url))
const now = Date.UTC(2026, 0, 1)
const b64 = (hex) => Buffer.from(hex, 'hex').toString('base64url')
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'))

async function cpuOf(work, each) {
  const start = process.cpuUsage()
  for (let i = 0; i < each; i++) await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / each
}

const median = (all) => all.sort((x, y) => x - y)[all.length >> 1]
const round = (n, digits = 1) => Number(n.toFixed(digits))

/** @param limit - how many times cheaper than the peer it is to be, or, below 1, how many times dearer it may be */
async function compare(name, ours, peer, theirs, limit, { each = EACH, peerEach = each } = {}) {
  const times = [[], []]
  const sides = [
    [ours, each],
    [theirs, peerEach],
  ]
  // Warm: what is measured is a server that runs.
  for (const [work, n] of sides) await cpuOf(work, Math.max(2 * n, WARM))
  for (let i = 0; i < ROUNDS; i++) for (const [j, [work, n]] of sides.entries()) times[j].push(await cpuOf(work, n))
  const [postern_us, peer_us] = times.map(median)
  const line = { case: name, postern_us: round(postern_us), peer, peer_us: round(peer_us), ratio: round(peer_us / postern_us, 2) }
  console.log(JSON.stringify({ ...line, limit_us: round(peer_us / limit) }))
}

const l3 = JSON.parse(readFileSync(`${vectors}/auth/webauthn-l3/vectors.json`, 'utf8'))
const caseOf = (id) => l3.cases.find((c) => c.id === id)
const root = parseCertificate(bytes(l3.attestationRoot.attestation_ca_cert))
const asked = { rpId: l3.rpId, origins: [l3.origin], userVerification: 'preferred', algorithms: [-7, -8, -257] }
const askedOfPeer = { expectedOrigin: l3.origin, expectedRPID: l3.rpId, requireUserVerification: false }
const challengeIn = (clientDataJSON) => JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()).challenge

function registrationOf({ registration: r }) {
  const id = b64(r.credential_id)
  const response = { clientDataJSON: b64(r.clientDataJSON), attestationObject: b64(r.attestationObject), transports: ['usb'] }
  return { id, rawId: id, type: 'public-key', response, clientExtensionResults: {} }
}

function assertionOf({ registration, authentication: a }) {
  const id = b64(registration.credential_id)
  const response = {
    clientDataJSON: b64(a.clientDataJSON),
    authenticatorData: b64(a.authenticatorData),
    signature: b64(a.signature),
  }
  return { id, rawId: id, type: 'public-key', response, clientExtensionResults: {} }
}

async function assertion(name, id, crypto, limit, o) {
  const c = caseOf(id)
  const body = assertionOf(c)
  const credential = await verifyRegistration(
    registrationOf(c),
    { ...asked, challenge: bytes(c.registration.challenge) },
    { crypto, now },
  )
  const expected = { ...asked, challenge: bytes(c.authentication.challenge) }
  const keys = credentialKeys(crypto)
  const known = { id: body.id, publicKey: credential.publicKey, counter: 0 }
  const expectedChallenge = challengeIn(body.response.clientDataJSON)
  await compare(
    name,
    () => verifyAuthentication(body, credential, expected, { crypto, keys }),
    PEER,
    () => verifyAuthenticationResponse({ response: body, expectedChallenge, credential: known, ...askedOfPeer }),
    limit,
    o,
  )
}

/** The same assertion beside the one verification in it: no library can be cheaper than that. */
async function assertionBare(name, id) {
  const crypto = nodeCrypto()
  const c = caseOf(id)
  const body = assertionOf(c)
  const asking = { ...asked, challenge: bytes(c.registration.challenge) }
  const credential = await verifyRegistration(registrationOf(c), asking, { crypto, now })
  const expected = { ...asked, challenge: bytes(c.authentication.challenge) }
  const keys = credentialKeys(crypto)
  const key = createPublicKey({ key: readCoseKey(credential.publicKey).jwk, format: 'jwk' })
  const { authenticatorData, clientDataJSON, signature } = c.authentication
  const signed = Buffer.concat([bytes(authenticatorData), createHash('sha256').update(bytes(clientDataJSON)).digest()])
  const der = bytes(signature)
  const bare = () => {
    if (!verify('sha256', signed, key, der)) throw new Error(name)
  }
  const ours = () => verifyAuthentication(body, credential, expected, { crypto, keys })
  await compare(name, ours, 'its ES256 verification, the key prepared', bare, 1 / 1.5)
}

async function registration(name, id, crypto, limit, o) {
  const c = caseOf(id)
  const body = registrationOf(c)
  const expected = { ...asked, challenge: bytes(c.registration.challenge), trusted: id !== 'none-es256' }
  const trust = { anchors: { packed: [root], apple: [root] }, remember: chainMemory() }
  const expectedChallenge = challengeIn(body.response.clientDataJSON)
  await compare(
    name,
    () => verifyRegistration(body, expected, { crypto, now, trust }),
    PEER,
    () => verifyRegistrationResponse({ response: body, expectedChallenge, ...askedOfPeer }),
    limit,
    { peerEach: 40, ...o },
  )
}

/**
 * A registration of an iPhone of 2020 at its own time: leaf and intermediate, both signed with P-384.
 * @param cold - the intermediate was never seen; the anchor's key is prepared, as it is after the first registration of any iPhone
 */
async function genuineApple(name, crypto, cold) {
  const folder = `${vectors}/auth/fido2-net-lib/Tests/Fido2.Tests/TestFiles`
  const body = JSON.parse(readFileSync(`${folder}/attestationAppleResponse.json`, 'utf8').replace(/^\uFEFF/, ''))
  const { attStmt, authData } = readAttestationObject(new Uint8Array(Buffer.from(body.response.attestationObject, 'base64url')))
  // The file's own id is another credential's.
  const id = Buffer.from(authData.subarray(55, 55 + authData[54])).toString('base64url')
  const { origin, challenge } = JSON.parse(Buffer.from(body.response.clientDataJSON, 'base64url').toString())
  const expected = {
    ...asked,
    rpId: new URL(origin).hostname,
    origins: [origin],
    challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
    trusted: true,
  }
  const answer = { ...body, id, rawId: id, type: 'public-key' }
  const register = (remember) => {
    const trust = { anchors: { apple: appleAnchors }, remember }
    return verifyRegistration(answer, expected, { crypto, now: Date.UTC(2020, 9, 7, 12), trust })
  }
  const known = chainMemory()
  await isSignedBy(parseCertificate(attStmt.get('x5c')[1]), appleAnchors[0].spki, crypto, known)
  const warm = chainMemory()
  const ours = () => register(cold ? { keys: new Map(known.keys), links: new Map() } : warm)
  const [leaf, intermediate] = attStmt.get('x5c').map((der) => parseCertificate(der))
  const key = (spki) => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  const [prepared, root] = [key(intermediate.spki), key(appleAnchors[0].spki)]
  // A key that was never seen must be imported by whoever verifies with it.
  const raw = () => {
    const good =
      verify('sha256', leaf.tbs, cold ? key(intermediate.spki) : prepared, leaf.signature) &&
      (!cold || verify('sha384', intermediate.tbs, root, intermediate.signature))
    if (!good) throw new Error('chain')
  }
  raw()
  const peer = cold ? 'its 2 P-384 verifications, the intermediate’s key imported' : 'its P-384 verification, the key prepared'
  await compare(name, ours, peer, raw, 1 / 1.25, { each: 60 })
}

/** Trips to the store of a login with a passkey, from the answer on. */
async function trips() {
  const crypto = nodeCrypto()
  const counting = countingStore(memoryStore())
  const runtime = { clock: () => now, random: (n) => new Uint8Array(randomBytes(n)), crypto, store: counting.store }
  const ring = await openKeyRing(await createKeyRingDocument(runtime), crypto)
  const seal = createSealer({ ring: ring.short, ...runtime })
  const origin = 'https://bank.example'
  const webauthn = createWebauthn({ rp: { id: 'bank.example', name: 'Bank' }, origins: [origin], seal, runtime })
  const part = { tenant: 'bank', id: 'usr:ada' }
  await counting.store.commit(part, [{ op: 'put', key: 'u', value: new Uint8Array(0) }], { now, rev: 'u'.repeat(16) })
  const names = { issuer: origin, tenant: 'bank', app: 'retail', part, device: null, bind: null, userVerification: 'preferred' }
  const c = { ...names, purpose: 'login', enrolment: null, user: { rev: 'u'.repeat(16) } }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const coordinate = (text) => new Uint8Array(Buffer.from(text, 'base64url'))
  const key = writeCbor(
    new Map([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, coordinate(x)],
      [-3, coordinate(y)],
    ]),
  )
  const id = randomBytes(16)
  const head = (flags, counter) =>
    Buffer.concat([createHash('sha256').update('bank.example').digest(), Buffer.from([flags, 0, 0, 0, counter])])
  const clientData = (type, challenge) => Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }))
  const answer = (response) => ({ id: id.toString('base64url'), rawId: id.toString('base64url'), type: 'public-key', response })
  const claim = { until: now + 120_000, owner: part.id, data: new Uint8Array(0) }
  const enrol = { ...c, purpose: 'enrol', claim }
  const offered = await runBegin(webauthn, enrol, null, { runtime })
  const made = clientData('webauthn.create', offered.value.body.publicKey.challenge)
  const authData = new Uint8Array(Buffer.concat([head(0x45, 0), Buffer.alloc(16), Buffer.from([0, 16]), id, key]))
  const object = writeCbor(
    new Map([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', authData],
    ]),
  )
  const response = { clientDataJSON: made.toString('base64url'), attestationObject: Buffer.from(object).toString('base64url') }
  counting.reset()
  const done = await registerPasskey(webauthn, { ...enrol, handle: offered.value.handle }, answer(response), { runtime })
  if (!done.ok) throw new Error(done.reason)
  const count = (name) => {
    const { read, commit, list } = counting.counts()
    console.log(JSON.stringify({ case: name, n: read + commit + list }))
  }
  count('trips.webauthn.register')
  const [rec] = await counting.store.read(part, [`wa/${done.value.facts.enrolment}`], { now })
  const enrolment = { id: done.value.facts.enrolment, rev: rec.rev, value: decodeEnrolment(rec.value) }
  counting.reset()
  const asking = await runBegin(webauthn, c, null, { runtime })
  const json = clientData('webauthn.get', asking.value.body.publicKey.challenge)
  const data = head(5, 1)
  const signature = sign('sha256', Buffer.concat([data, createHash('sha256').update(json).digest()]), privateKey)
  const given = [json, data, signature].map((one) => one.toString('base64url'))
  const assertion = { clientDataJSON: given[0], authenticatorData: given[1], signature: given[2], userHandle: null }
  const verdict = await runFinish(webauthn, { ...c, enrolment, handle: asking.value.handle }, answer(assertion), { runtime })
  if (!verdict.ok) throw new Error(verdict.reason)
  count('trips.webauthn')
}

const ERRORS = 'export class PosternError extends Error {}; export const isPosternError = (e) => e instanceof PosternError'

/** @param inside - which of core is counted: nothing, all but the error class with its registry of codes (in every bundle once), or all */
async function sizeOf(name, files, inside) {
  const { outputFiles } = await build({
    stdin: {
      contents: files.map((file) => `export * from '@postern/authenticators/webauthn/${file}'`).join('\n'),
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    plugins: [
      {
        name: 'shared',
        setup(b) {
          if (inside === 'none') b.onResolve({ filter: /^@postern\/core\// }, ({ path }) => ({ path, external: true }))
          if (inside === 'readers')
            b.onResolve({ filter: /(^|\/)errors(\.js)?$/ }, ({ path, importer }) =>
              /^@postern\/core\//.test(path) || /[\\/]core[\\/]/.test(importer)
                ? { path: 'errors', namespace: 'shared' }
                : undefined,
            )
          b.onLoad({ filter: /./, namespace: 'shared' }, () => ({ contents: ERRORS }))
          // Loaded by who meets Ed448, ML-DSA, a TPM with SHA-1 or a U2F key's metadata, and by nobody else.
          b.onResolve({ filter: /./ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined))
        },
      },
    ],
  })
  console.log(JSON.stringify({ case: name, gz: gzipSync(outputFiles[0].contents, { level: 9 }).length }))
}

// Both sides verify the chain to the same root.
for (const identifier of ['apple', 'packed'])
  SettingsService.setRootCertificates({ identifier, certificates: [Buffer.from(root.der)] })

await assertion('webauthn.assert.es256.node', 'none-es256', nodeCrypto(), 8)
await assertionBare('webauthn.assert.es256.bare', 'none-es256')
await assertion('webauthn.assert.es256.webcrypto', 'none-es256', webCrypto(), 2.5)
await assertion('webauthn.assert.es256.noble', 'none-es256', nobleCrypto(), 1, { each: 20 })
await assertion('webauthn.assert.eddsa.node', 'packed-eddsa', nodeCrypto(), 1)
await registration('webauthn.register.none', 'none-es256', nodeCrypto(), 1)
await registration('webauthn.register.packed', 'packed-es256', nodeCrypto(), 10)
await registration('webauthn.register.packed.webcrypto', 'packed-es256', webCrypto(), 1)
await registration('webauthn.register.apple', 'apple-es256', nodeCrypto(), 10)
await genuineApple('webauthn.register.apple.genuine.cold', nodeCrypto(), true)
await genuineApple('webauthn.register.apple.genuine.warm', nodeCrypto(), false)
await trips()
const verifiers = ['registration', 'authentication']
await sizeOf('size.webauthn.server', verifiers, 'none')
await sizeOf('size.webauthn.server.withCore', verifiers, 'readers')
await sizeOf('size.webauthn.server.withErrors', verifiers, 'all')
await sizeOf('size.webauthn.server.withMds', [...verifiers, 'mds'], 'readers')
await sizeOf('size.webauthn.server.withRegistry', [...verifiers, 'mds', 'server', 'register'], 'readers')
await sizeOf('size.webauthn.browser', ['browser'], 'none')
await sizeOf('size.webauthn.browser.withCore', ['browser'], 'readers')
await sizeOf('size.webauthn.browser.withErrors', ['browser'], 'all')
