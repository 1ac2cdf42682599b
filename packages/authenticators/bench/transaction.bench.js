// One decision of txn/v1 (the whole ladder, without the store) beside one ES256 verification with a prepared key; the app's half in bytes.
// Medians of interleaved rounds, µs of CPU per operation, one JSON line a case; ratio = peer ÷ ours, limit_us = 1.5 verifications.

import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { devicesKey } from '@postern/authenticators/devices'
import { openTransaction, prepareDecision } from '@postern/authenticators/transaction/client'
import { createTransactions } from '@postern/authenticators/transaction/server'
import { encodeBase64url } from '@postern/core/base64url'
import { concat, utf8 } from '@postern/core/bytes'
import { createCrypto as nobleCrypto } from '@postern/core/crypto/noble'
import { createCrypto as nodeCrypto } from '@postern/core/crypto/node'
import { createCrypto as webCrypto } from '@postern/core/crypto/web'
import { build } from 'esbuild'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 11)
const EACH = Number(process.env.BENCH_EACH ?? 2000)
const LIMIT = 1.5
const random = (n) => new Uint8Array(randomBytes(n))
const now = 1_800_000_000_000
const issuer = 'https://bank.example'

async function setup(crypto, match) {
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const secret = random(32)
  const transactions = createTransactions({ keys: { secret: () => secret }, runtime: { clock: () => now, random, crypto } })
  const place = { issuer, tenant: 'bank', part: { tenant: 'bank', id: 'usr:ada' } }
  const device = { id: 'd1', status: 'active', until: 0 }
  const records = new Map([
    [devicesKey, concat(Uint8Array.of(1), utf8(JSON.stringify([device])))],
    ['u', utf8('u')],
  ])
  const read = async (keys) =>
    keys.map((key) => (records.has(key) ? { key, value: records.get(key), n: 0, rev: 'r'.repeat(16), expiresAt: 0 } : null))
  const display = [
    { label: 'Zahlung', value: 'Miete für März' },
    { label: 'Von', value: 'CH56 0483 5012 3456 7800 9' },
  ]
  const amount = { value: '1200.50', currency: 'CHF' }
  const ask = { client: 'portal', app: 'retail', kind: 'payment', display, amount, payee: 'Muster AG', match, origin: 'Zürich' }
  const plan = await transactions.create(place, ask, read)
  const created = await plan.reply([])
  for (const op of plan.ops) if (op.op === 'put') records.set(op.key, op.value)
  const o = { issuer, tenant: 'bank', app: 'retail', crypto, clientName: () => 'Portal' }
  const opened = await openTransaction(encodeBase64url(created.transaction), o)
  const choice = { device: 'd1', enrolment: '', type: 'device', decision: 'approve', number: created.number ?? '' }
  const { statement, answer } = await prepareDecision(opened, choice, crypto)
  const signature = await signer.sign(statement)
  const input = answer(signature)
  const d = {
    ...place,
    app: 'retail',
    user: { rev: 'r'.repeat(16) },
    device: { id: 'd1', key: signer.publicJwk, keyLevel: 'hardware' },
    types: ['device'],
    enrolment: async () => null,
  }
  const key = await crypto.verifyKey('ES256', signer.publicJwk)
  return {
    async decide() {
      const done = await transactions.decide(d, input, read)
      if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
    },
    async verify() {
      if (!(await crypto.verify(key, statement, signature))) throw new Error('signature')
    },
  }
}

async function cpuOf(work, each) {
  const start = process.cpuUsage()
  for (let i = 0; i < each; i++) await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / each
}

const median = (all) => all.sort((x, y) => x - y)[all.length >> 1]

async function compare(name, crypto, match, each = EACH) {
  const { decide, verify } = await setup(crypto, match)
  const times = [[], []]
  // Warm: what is measured is a server that runs.
  for (const work of [decide, verify]) await cpuOf(work, 3 * each)
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, work] of [decide, verify].entries()) times[i].push(await cpuOf(work, each))
  const [ours, one] = times.map(median)
  const line = {
    case: name,
    postern_us: round(ours),
    peer: 'one ES256 verification',
    peer_us: round(one),
    ratio: round(one / ours, 2),
  }
  console.log(JSON.stringify({ ...line, limit_us: round(one * LIMIT) }))
}

const round = (n, digits = 0) => Number(n.toFixed(digits))

/** The app's half: what this package adds, and with it what every client half takes from core. */
async function sizeOf(name, external) {
  const { outputFiles } = await build({
    stdin: {
      contents:
        "export { openTransaction, prepareDecision, signDecision, signScan } from '@postern/authenticators/transaction/client'",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    plugins: [{ name: 'shared', setup: (b) => b.onResolve({ filter: external }, ({ path }) => ({ path, external: true })) }],
  })
  console.log(JSON.stringify({ case: name, gz: gzipSync(outputFiles[0].contents, { level: 9 }).length }))
}

await compare('txn.decide.node', nodeCrypto(), 0)
await compare('txn.decide.number.node', nodeCrypto(), 1)
await compare('txn.decide.webcrypto', webCrypto(), 0)
await compare('txn.decide.noble', nobleCrypto(), 0, Math.ceil(EACH / 50))
await sizeOf('size.transaction.client', /^@postern\/core\//)
// The error class and its registry of codes are in every bundle once.
await sizeOf('size.transaction.client.withCore', /(^|\/)errors(\.js)?$/)
await sizeOf('size.transaction.client.withErrors', /^$/)
