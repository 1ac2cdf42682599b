// Server KE2 of pin/v1 suite 0001 beside the wasm engine: medians of interleaved rounds, µs of CPU per operation, one JSON line a case; ratio = peer ÷ ours.

import { randomBytes } from 'node:crypto'
import { ristretto255 } from '@noble/curves/ed25519.js'
import { createKe1, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { curve25519Over } from '@postern/authenticators/opaque/curve25519'
import { createKe2, createRegistrationResponse, expandSeedOf } from '@postern/authenticators/opaque/server'
import { ristretto255Sha512 } from '@postern/authenticators/opaque/suite'
import { createCrypto } from '@postern/core/crypto'
import { client, ready, server } from '@serenity-kit/opaque'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9)
const EACH = Number(process.env.BENCH_EACH ?? 40)
const random = (n) => new Uint8Array(randomBytes(n))
const text = (s) => new TextEncoder().encode(s)

async function ours(suite) {
  const pair = await suite.group.deriveKeyPair(random(32))
  const keys = { ...pair, expandSeed: expandSeedOf(suite, random(64)) }
  const [password, credentialIdentifier, context] = [random(32), text('credential'), text('context')]
  const { request, blind } = createRegistrationRequest(suite, password, { random })
  const response = await createRegistrationResponse(suite, { request, credentialIdentifier, keys })
  const { record } = await finalizeRegistration(suite, {
    password,
    blind,
    response,
    envelopeNonce: random(32),
    stretch: (x) => x,
  })
  const { ke1 } = await createKe1(suite, password, { random })
  return () =>
    createKe2(suite, {
      record,
      ke1,
      credentialIdentifier,
      context,
      keys,
      maskingNonce: random(32),
      serverNonce: random(32),
      keyshareSeed: random(32),
    })
}

async function wasm() {
  await ready
  const serverSetup = server.createSetup()
  const [password, userIdentifier] = ['27182', 'credential']
  const keyStretching = { 'argon2id-custom': { iterations: 1, memory: 8, parallelism: 1 } }
  const { clientRegistrationState, registrationRequest } = client.startRegistration({ password })
  const { registrationResponse } = server.createRegistrationResponse({ serverSetup, userIdentifier, registrationRequest })
  const { registrationRecord } = client.finishRegistration({
    clientRegistrationState,
    registrationResponse,
    password,
    keyStretching,
  })
  const { startLoginRequest } = client.startLogin({ password })
  return () => server.startLogin({ serverSetup, userIdentifier, registrationRecord, startLoginRequest })
}

/** What cannot be left out: four multiplications of wire elements, one of the base point, three decodings, five encodings. */
function floor() {
  const { Point } = ristretto255
  const [a, b] = [Point.BASE.multiply(0x1234567n), Point.BASE.multiply(0x7654321n)].map((p) => p.toBytes())
  const scalar = Point.Fn.ORDER - 12345n
  return () => {
    const [p, q, r] = [a, b, a].map((bytes) => Point.fromBytes(bytes))
    for (const point of [p, q, q, r, Point.BASE]) point.multiply(scalar).toBytes()
  }
}

/** Suite 0003's: one multiplication of a wire element; its X25519 is native and counts as nothing. */
function floorOprf() {
  const { Point } = ristretto255
  const bytes = Point.BASE.multiply(0x1234567n).toBytes()
  return () =>
    Point.fromBytes(bytes)
      .multiply(Point.Fn.ORDER - 12345n)
      .toBytes()
}

async function cpuOf(work) {
  const start = process.cpuUsage()
  for (let i = 0; i < EACH; i++) await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / EACH
}

const median = (all) => all.sort((x, y) => x - y)[all.length >> 1]

async function compare(name, work, peer, theirs, least) {
  const times = [[], [], []]
  const all = [work, theirs, least]
  for (const each of all) await cpuOf(each)
  for (let round = 0; round < ROUNDS; round++) for (const [i, each] of all.entries()) times[i].push(await cpuOf(each))
  const [postern_us, peer_us, limit_us] = times.map((t) => Math.round(median(t)))
  console.log(
    JSON.stringify({ case: name, postern_us, peer, peer_us, ratio: Number((peer_us / postern_us).toFixed(2)), limit_us }),
  )
}

const [peer, least, leastOprf] = [await wasm(), floor(), floorOprf()]
await compare('opaque.ke2.0001', await ours(ristretto255Sha512), '@serenity-kit/opaque 1.1.0', peer, least)
await compare('opaque.ke2.0003', await ours(curve25519Over(createCrypto())), '@serenity-kit/opaque 1.1.0', peer, leastOprf)
// Every room measures itself.
for (const room of ['opaque', 'trips', 'otp', 'transaction', 'webauthn', 'timing']) await import(`./${room}.bench.js`)
