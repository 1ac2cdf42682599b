// Sealing one request (X25519, AES-256-GCM, Binary HTTP encoding included) beside literal RFC 9458 composed from other HPKE libraries
// and bhttp-js. Medians of interleaved rounds, µs of CPU an operation
// over all threads (WebCrypto works on others), the ratio of wall times beside it; `limit_us` is one raw AES-256-GCM call over the same bytes.
// One JSON line a case; it fails when what was sealed does not open to the same bytes.

import { createCipheriv, randomBytes, randomFillSync } from 'node:crypto'
import { Aes256Gcm, CipherSuite as CoreSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { createCrypto } from '@postern/core/crypto'
import { decodeRequest, encodeRequest } from '@postern/payload/bhttp'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { openRequest, sealRequest, sealResponse } from '@postern/payload/ohttp'
import { BHttpEncoder } from 'bhttp-js'
import * as panva from 'hpke'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9)
const EACH = Number(process.env.BENCH_EACH ?? 100)
const TARGET = 3
const SIZES = [256, 1024]

// 4 KiB at a time: a draw of 32 bytes alone costs 1.4 µs.
const pool = { bytes: new Uint8Array(4096), at: 4096 }
function random(n) {
  if (n > 256) return new Uint8Array(randomBytes(n))
  if (pool.at + n > pool.bytes.length) {
    randomFillSync(pool.bytes)
    pool.at = 0
  }
  const out = pool.bytes.slice(pool.at, pool.at + n)
  pool.bytes.fill(0, pool.at, (pool.at += n))
  return out
}

const crypto = createCrypto()
const now = Date.now()
const ring = await openKemRing(await createKemRing({ clock: () => now, random, crypto }), crypto)
const { config } = ring.offered(now)[0]
const header = Uint8Array.of(config.keyId, 0, 0x20, 0, 1, 0, 2)
const info = concat(new TextEncoder().encode('message/bhttp request'), new Uint8Array(1), header)

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const fields = [
  ['content-type', 'application/json'],
  ['authorization', `DPoP ${'a'.repeat(200)}`],
  ['date', new Date(now).toUTCString()],
]
const url = 'https://api.bank.example/transfers?x=1'
const fetchRequests = (body) => Array.from({ length: EACH }, () => new Request(url, { method: 'POST', body, headers: fields }))

function postern(body) {
  const message = {
    method: 'POST',
    scheme: 'https',
    authority: 'api.bank.example',
    path: '/transfers?x=1',
    fields,
    content: body,
    trailers: [],
  }
  return {
    prepare: () => null,
    run: async () => (await sealRequest({ crypto, random }, config, 2, encodeRequest(message))).sealed,
  }
}

async function hpkeCore(body) {
  const suite = new CoreSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
  const recipientPublicKey = await suite.kem.deserializePublicKey(config.publicKey.slice().buffer)
  const encoder = new BHttpEncoder()
  const run = async (request) => {
    const message = await encoder.encodeRequest(request)
    const sender = await suite.createSenderContext({ recipientPublicKey, info: info.buffer })
    const sealed = await sender.seal(message)
    return concat(header, new Uint8Array(sender.enc), new Uint8Array(sealed))
  }
  return { prepare: () => fetchRequests(body), run }
}

async function hpke(body) {
  const suite = new panva.CipherSuite(panva.KEM_DHKEM_X25519_HKDF_SHA256, panva.KDF_HKDF_SHA256, panva.AEAD_AES_256_GCM)
  const publicKey = await suite.DeserializePublicKey(config.publicKey)
  const encoder = new BHttpEncoder()
  const run = async (request) => {
    const message = await encoder.encodeRequest(request)
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info })
    return concat(header, encapsulatedSecret, await ctx.Seal(message))
  }
  return { prepare: () => fetchRequests(body), run }
}

function rawAes(size) {
  const [key, iv, plaintext] = [randomBytes(32), randomBytes(12), randomBytes(size)]
  const run = () => {
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const body = cipher.update(plaintext)
    cipher.final()
    return [body, cipher.getAuthTag()]
  }
  return { prepare: () => null, run }
}

/** Opening a request and sealing its reply, as a server does. */
async function serve(body) {
  const sealed = await postern(body).run()
  const run = async () => {
    const { message, exchange } = await openRequest(crypto, (id) => ring.find(id, now), sealed)
    decodeRequest(message)
    return sealResponse({ crypto, random }, exchange, message)
  }
  return { prepare: () => null, run }
}

async function timed({ prepare, run }) {
  const inputs = prepare()
  const [cpu, start] = [process.cpuUsage(), process.hrtime.bigint()]
  for (let i = 0; i < EACH; i++) await run(inputs?.[i])
  const { user, system } = process.cpuUsage(cpu)
  return { cpu: (user + system) / EACH, wall: Number(process.hrtime.bigint() - start) / 1000 / EACH }
}

function median(times, kind) {
  const sorted = times.map((time) => time[kind]).sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

const round = (n) => Math.round(n * 100) / 100

for (const size of SIZES) {
  const body = new Uint8Array(randomBytes(size))
  const all = {
    postern: postern(body),
    'hpke-core': await hpkeCore(body),
    hpke: await hpke(body),
    aes: rawAes(size),
    serve: await serve(body),
  }
  for (const name of ['postern', 'hpke-core', 'hpke']) {
    const [request] = fetchRequests(body)
    const { message } = await openRequest(crypto, (id) => ring.find(id, now), await all[name].run(request))
    if (Buffer.compare(decodeRequest(message).content, body) !== 0) throw new Error(`${name}: unequal plaintext`)
  }
  const times = Object.fromEntries(Object.keys(all).map((name) => [name, []]))
  for (let i = 0; i < ROUNDS + 2; i++)
    for (const [name, one] of Object.entries(all)) {
      const time = await timed(one)
      if (i >= 2) times[name].push(time)
    }
  const us = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values, 'cpu')]))
  const wall = (name) => median(times[name], 'wall')
  for (const peer of ['hpke-core', 'hpke']) {
    const ratio = us[peer] / us.postern
    const line = {
      case: `seal.${size}.${peer}`,
      postern_us: round(us.postern),
      peer,
      peer_us: round(us[peer]),
      ratio: round(ratio),
      wall_ratio: round(wall(peer) / wall('postern')),
      limit_us: round(us.aes),
    }
    console.log(JSON.stringify({ ...line, target: TARGET }))
  }
  console.log(
    JSON.stringify({
      case: `serve.${size}`,
      postern_us: round(us.serve),
      peer: null,
      peer_us: null,
      ratio: null,
      limit_us: round(us.aes),
    }),
  )
}
