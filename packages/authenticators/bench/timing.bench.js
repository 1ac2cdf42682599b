// A06 as dudect measures it: answers of two kinds in random order, each prepared beforehand, the slowest tenth of both together left out, Welch's t.
// `control` is the same test of one kind against itself in the same run: what it shows is the machine. |t| < 4.5 at 10,000 is the demand; TIMING_RUNS
// sets how many of each kind there are.

import { randomBytes, randomInt } from 'node:crypto'
import { runBegin } from '@postern/authenticators/authenticator'
import { decodeEnrolment, planConfirm } from '@postern/authenticators/enrolment'
import { createOtp, importOtp } from '@postern/authenticators/otp/server'
import { enrolPin } from '@postern/authenticators/pin/client'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import { ke1Statement, pinContext } from '@postern/authenticators/pin/messages'
import { createPin } from '@postern/authenticators/pin/server'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'

const RUNS = Number(process.env.TIMING_RUNS ?? 200)
const BATCH = 50
const now = 1_800_000_000_000
const random = (n) => new Uint8Array(randomBytes(n))
const crypto = createCrypto()
const store = memoryStore()
const runtime = { clock: () => now, random, crypto, store }
const ring = await openKeyRing(await createKeyRingDocument(runtime), crypto)
const seal = createSealer({ ring: ring.short, ...runtime })
const pin = createPin({ keys: pinKeysOf(ring, crypto), seal, runtime, maxAttempts: 10, maxFailures: 100 })
const otp = createOtp({ seal, atRest: seal, runtime, maxAttempts: 10 })

const issuer = 'https://bank.example'
const names = { issuer, tenant: 'bank', app: 'retail' }
const part = { tenant: 'bank', id: 'dev:d1' }
const [device, stranger] = [await signer(), await signer()]
const commit = async (ops, at = part) => {
  const done = await store.commit(at, ops, { now, rev: newRev(random) })
  if (!done.ok) throw new Error(`lost at ${done.at}`)
  return done.recs
}
const [d] = await commit([{ op: 'put', key: 'd', value: new Uint8Array(0) }])
const c = {
  ...names,
  part,
  device: { id: 'd1', rev: d.rev, key: device.publicJwk, keyLevel: 'hardware' },
  bind: null,
  userVerification: 'preferred',
  claim: { until: now + 120_000, owner: 'usr:ada', data: new Uint8Array(0) },
}
const slot = await enrolled()
const element = decodeBase64url('4vKuCmq8TnGohKlhxQBRX1jjC2qlgt2NtqZZReCNLXY') // ristretto255's base point
const nobody = '0'.repeat(32)
const secret = await importOtp({
  kind: { type: 'totp' },
  secret: random(20),
  owner: 'usr:ada',
  place: names,
  atRest: seal,
  runtime,
})
await commit(secret.ops)

await compare('unknown device', ['pin', stranger, { device: null }], 'wrong key', ['pin', stranger])
await compare('locked enrolment', ['pin', stranger, { status: 'locked' }], 'wrong key', ['pin', stranger])
await compare('no such enrolment', ['pin', device, { absent: true }], 'wrong PIN', ['pin', device])
await compare('no such secret', ['otp', device, { absent: true }], 'wrong code', ['otp', device])

async function signer() {
  return crypto.signer('ES256', await crypto.generateKey('ES256', random))
}

async function ceremony(purpose, id, more = {}) {
  const [rec] = id === null ? [null] : await store.read(part, [`enr/${id}`], { now })
  const enrolment = id === null ? null : { id, rev: rec?.rev ?? null, value: rec == null ? null : decodeEnrolment(rec.value) }
  return { ...c, purpose, enrolment, ...more }
}

async function enrolled() {
  const begin = async (handle, answer) => {
    const asked = await ceremony('enrol', null, handle === null ? {} : { handle })
    const { value } = await runBegin(pin, asked, answer, { runtime })
    return { handle: value.handle, step: value.body }
  }
  const finish = async (handle, answer) => {
    const verdict = await pin.finish(await ceremony('enrol', null, { handle }), answer)
    await commit(verdict.ops)
  }
  const client = { ...names, device: 'd1', sign: (m) => device.sign(m), crypto, random, ksf: (x) => x }
  const made = await enrolPin({ ...client, exchange: { begin, finish }, pin: new TextEncoder().encode('27182') })
  const { id, rev, value } = (await ceremony('login', made.slot.enrolment)).enrolment
  await commit([planConfirm({ id, rev, value })])
  return made.slot
}

/** Nothing counted yet, whatever is sent next. */
async function unspent(room) {
  const id = room === 'pin' ? slot.enrolment : secret.id
  const [{ key, value }] = await store.read(part, [`${room}/${id}`], { now })
  await commit([
    { op: 'put', key, value },
    { op: 'del', key: `${key}/failed` },
    // Somebody has tried before: what a first try costs a store more, which makes its counter, is the store's.
    { op: 'put', key: `otp/${nobody}`, value: new Uint8Array(0), expiresAt: now + 86_400_000 },
  ])
}

/** One request, whole, and how to send it. */
async function prepared(room, by, { device: known, status, absent = false } = {}) {
  const absentId = room === 'pin' ? Buffer.from(random(16)).toString('hex') : nobody
  const id = absent ? absentId : room === 'pin' ? slot.enrolment : secret.id
  const at = await ceremony('login', id, known === null ? { device: null } : {})
  const asked = status === undefined ? at : { ...at, enrolment: { ...at.enrolment, value: { ...at.enrolment.value, status } } }
  if (room === 'otp') return () => runBegin(otp, asked, { code: '-----1' }, { runtime })
  const step = (await runBegin(pin, await ceremony('login', id), null, { runtime })).value
  const ke1 = Buffer.concat([element, random(32), element])
  const context = pinContext({ ...names, device: 'd1', enrolment: id, generation: 1, purpose: 'login', bind: null })
  const signature = await by.sign(ke1Statement(context, decodeBase64url(step.body.nonce), ke1))
  const input = { ke1: encodeBase64url(ke1), signature: encodeBase64url(signature) }
  return () => runBegin(pin, { ...asked, handle: step.handle }, input, { runtime })
}

/** A third kind, like the second, is the control. */
async function compare(left, a, right, b) {
  const kinds = [a, b, b]
  const times = [[], [], []]
  let codes
  for (let done = 0; done < RUNS; done += BATCH) {
    const batch = []
    for (let i = 0; i < BATCH * 3; i++)
      batch.splice(randomInt(batch.length + 1), 0, { kind: i % 3, send: await prepared(...kinds[i % 3]) })
    codes = new Set()
    for (const { kind, send } of batch) {
      await unspent(a[0])
      const start = process.hrtime.bigint()
      const answer = await send()
      times[kind].push(Number(process.hrtime.bigint() - start) / 1000)
      codes.add(answer.ok ? Object.keys(answer.value.body).join() : answer.code)
    }
    if (codes.size > 1) throw new Error(`not alike: ${[...codes].join(' ')}`)
  }
  const { t, us } = welch(times[0], times[1])
  const line = { case: `timing.${left} / ${right}`, n: times[0].length, t, us, control: welch(times[2], times[1]).t }
  console.log(JSON.stringify(line))
}

function welch(a, b) {
  const most = [...a, ...b].sort((x, y) => x - y)[Math.floor((a.length + b.length) * 0.9)]
  const [x, y] = [a, b].map((all) => {
    const kept = all.filter((one) => one <= most)
    const mean = kept.reduce((sum, v) => sum + v, 0) / kept.length
    return { mean, part: kept.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (kept.length - 1) / kept.length }
  })
  return {
    t: Number(((x.mean - y.mean) / Math.sqrt(x.part + y.part)).toFixed(2)),
    us: [x, y].map((one) => Number(one.mean.toFixed(1))),
  }
}
