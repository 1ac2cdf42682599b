// TOTP ±1 step beside otpauth and otplib: a code of this step, where otpauth stops after one HMAC and ours does all three, one of the step before,
// and a wrong one. Medians of interleaved rounds, µs of CPU per operation, one JSON line a case; ratio = peer ÷ ours, limit_us = 1.5 × the peer.
// Trips of a login, counted by the test store; sizes in bytes of min+gz.

import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { createOtp, importOtp } from '@postern/authenticators/otp/server'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256, sha512 } from '@postern/authenticators/otp/sha2'
import { totp, totpStep, totpStepAt } from '@postern/authenticators/otp/totp'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { build } from 'esbuild'
import * as otpauth from 'otpauth'
import { verifySync } from 'otplib'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 15)
const EACH = Number(process.env.BENCH_EACH ?? 10_000)
const LIMIT = 1.5
const random = (n) => new Uint8Array(randomBytes(n))
const now = 1_800_000_000_000

function cpuOf(work, each) {
  const start = process.cpuUsage()
  for (let i = 0; i < each; i++) work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / each
}

const median = (all) => all.sort((x, y) => x - y)[all.length >> 1]
const round = (n, digits) => Number(n.toFixed(digits))

function compare(name, hash, code, step) {
  const key = random(hash.bytes)
  const typed = code(key)
  const secret = new otpauth.Secret({ buffer: key.slice().buffer })
  const theirs = new otpauth.TOTP({ secret, algorithm: hash.name, digits: 6, period: 30 })
  const o = { key, code: typed, now, after: -1n, hash }
  const algorithm = hash.name.toLowerCase()
  const ours = () => totpStep(o) !== step && fail(name)
  const peers = {
    'otpauth 9.5.2': () =>
      (theirs.validate({ token: typed, timestamp: now, window: 1 }) === null) !== (step === null) && fail(name),
    'otplib 13.5.0': () =>
      verifySync({ secret: key, token: typed, epoch: now / 1000, algorithm, epochTolerance: 30 }).valid !== (step !== null) &&
      fail(name),
  }
  // Each peer in a run of its own: what one leaves to the garbage collector is not the other's.
  for (const [peer, work] of Object.entries(peers)) {
    const times = [[], []]
    // Warm: what is measured is a server that runs.
    for (const one of [ours, work]) cpuOf(one, EACH)
    for (let i = 0; i < ROUNDS; i++) for (const [j, one] of [ours, work].entries()) times[j].push(cpuOf(one, EACH))
    const [own, their] = times.map(median)
    const us = { postern_us: round(own, 2), peer, peer_us: round(their, 2), ratio: round(their / own, 2) }
    console.log(JSON.stringify({ case: name, ...us, limit_us: round(their * LIMIT, 2) }))
  }
}

function fail(name) {
  throw new Error(`${name}: not what was asked for`)
}

async function trips() {
  const crypto = createCrypto()
  const counting = countingStore(memoryStore())
  const runtime = { clock: () => now, random, crypto, store: counting.store }
  const ring = await openKeyRing(await createKeyRingDocument(runtime), crypto)
  const [seal, atRest] = [ring.short, ring.long].map((one) => createSealer({ ring: one, ...runtime }))
  const otp = createOtp({ seal, atRest, runtime })
  const part = { tenant: 'bank', id: 'usr:ada' }
  const place = { issuer: 'https://bank.example', tenant: 'bank' }
  const secret = random(20)
  const { id, ops } = await importOtp({ kind: { type: 'totp' }, secret, owner: part.id, place, atRest, runtime })
  await counting.store.commit(part, ops, { now, rev: newRev(random) })
  const [enr] = await counting.store.read(part, [`enr/${id}`], { now })
  const enrolment = { id, rev: enr.rev, value: decodeEnrolment(enr.value) }
  const c = {
    ...place,
    app: 'retail',
    purpose: 'login',
    part,
    device: null,
    proven: ['pin'],
    enrolment,
    bind: null,
    userVerification: 'preferred',
  }
  counting.reset()
  const asked = await runBegin(otp, c, { code: totp(secret, { now }) }, { runtime })
  const done = await runFinish(otp, { ...c, handle: asked.value.handle }, null, { runtime })
  if (!done.ok) fail('trips')
  const { read, commit, list } = counting.counts()
  console.log(JSON.stringify({ case: 'trips.otp', n: read + commit + list }))
}

async function sizeOf(name, files, external) {
  const { outputFiles } = await build({
    stdin: {
      contents: files.map((file) => `export * from '@postern/authenticators/otp/${file}'`).join('\n'),
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

const step = totpStepAt(now)
compare('totp.verify', sha1, (key) => totp(key, { now }), step)
compare('totp.verify.stepBefore', sha1, (key) => totp(key, { now: now - 30_000 }), step - 1n)
compare('totp.verify.wrong', sha1, (key) => totp(key, { now: now + 3_000_000 }), null)
compare('totp.verify.sha256', sha256, (key) => totp(key, { now, hash: sha256 }), step)
compare('totp.verify.sha512', sha512, (key) => totp(key, { now, hash: sha512 }), step)
await trips()
// HOTP, TOTP and URIs with SHA-1, as its peers have them (otpauth 9.5.2 without a hash: 3,158); what a host has of core already is outside.
const pure = ['hotp', 'totp', 'uri', 'sha1']
await sizeOf('size.otp', pure, /^@postern\/core\//)
// The error class and its registry of codes are in every bundle once.
await sizeOf('size.otp.withCore', pure, /(^|\/)errors(\.js)?$/)
await sizeOf('size.otp.withOcra', [...pure, 'ocra'], /^@postern\/core\//)
await sizeOf('size.otp.withSha2', [...pure, 'sha2'], /^@postern\/core\//)
