// Trips to the store of a login by PIN and by device key, from the first message on, counted by the test store.

import { randomBytes } from 'node:crypto'
import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { answerKey, answerKeyEnrolment } from '@postern/authenticators/deviceKey/client'
import { createDeviceKey } from '@postern/authenticators/deviceKey/server'
import { decodeEnrolment, planConfirm } from '@postern/authenticators/enrolment'
import { enrolPin, loginPin } from '@postern/authenticators/pin/client'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import { createPin } from '@postern/authenticators/pin/server'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'

const now = 1_800_000_000_000
const random = (n) => new Uint8Array(randomBytes(n))
const crypto = createCrypto()
const counting = countingStore(memoryStore())
const runtime = { clock: () => now, random, crypto, store: counting.store }
const ring = await openKeyRing(await createKeyRingDocument(runtime), crypto)
const seal = createSealer({ ring: ring.short, ...runtime })
const pin = createPin({ keys: pinKeysOf(ring, crypto), seal, runtime })
const key = createDeviceKey({ type: 'device-key', seal, runtime })

const issuer = 'https://bank.example'
const part = { tenant: 'bank', id: 'dev:d1' }
const [device, second] = [await signer(), await signer()]
const [d] = (await counting.store.commit(part, [{ op: 'put', key: 'd', value: new Uint8Array(0) }], at())).recs
const names = { issuer, tenant: 'bank', app: 'retail', device: 'd1', crypto, random, sign: (data) => device.sign(data) }
const claim = { until: now + 120_000, owner: 'usr:ada', data: new Uint8Array(0) }
const c = {
  issuer,
  tenant: 'bank',
  app: 'retail',
  part,
  device: { id: 'd1', rev: d.rev, key: device.publicJwk, keyLevel: 'hardware' },
  bind: null,
  userVerification: 'required',
}

async function signer() {
  return crypto.signer('ES256', await crypto.generateKey('ES256', random))
}

function at() {
  return { now, rev: newRev(random) }
}

const value = (done) => {
  if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
  return done.value
}

/** Messages without a network. */
const exchange = (authenticator, ceremony) => ({
  async begin(handle, answer) {
    const asked = { ...ceremony, ...(handle === null ? {} : { handle }) }
    const { body, handle: next } = value(await runBegin(authenticator, asked, answer, { runtime }))
    return { handle: next, step: JSON.parse(JSON.stringify(body)) }
  },
  finish: async (handle, answer) => value(await runFinish(authenticator, { ...ceremony, handle }, answer, { runtime })),
})

/** The enrolment, confirmed. */
async function confirmed(id) {
  const [rec] = await counting.store.read(part, [`enr/${id}`], { now })
  const op = planConfirm({ id, rev: rec.rev, value: decodeEnrolment(rec.value) })
  const [active] = (await counting.store.commit(part, [op], at())).recs
  return { id, rev: active.rev, value: decodeEnrolment(active.value) }
}

async function count(name, login) {
  counting.reset()
  await login()
  const { read, commit, list } = counting.counts()
  console.log(JSON.stringify({ case: name, n: read + commit + list }))
}

const enrol = { ...c, purpose: 'enrol', enrolment: null, claim }
const digits = () => new TextEncoder().encode('27184')
const ksf = (input) => input
const { slot } = await enrolPin({ ...names, ksf, exchange: exchange(pin, enrol), pin: digits() })
const byPin = { ...c, purpose: 'login', enrolment: await confirmed(slot.enrolment) }
await count('trips.pin', () =>
  loginPin({ ...names, ksf, exchange: exchange(pin, byPin), pin: digits(), slots: [slot], purpose: 'login' }),
)

const offer = await exchange(key, enrol).begin(null, null)
const made = await answerKeyEnrolment(offer.step, { ...names, key: second, deviceSign: names.sign })
const { facts } = await exchange(key, enrol).finish(offer.handle, made)
const byKey = exchange(key, { ...c, purpose: 'login', enrolment: await confirmed(facts.enrolment) })
await count('trips.deviceKey', async () => {
  const { handle, step } = await byKey.begin(null, null)
  await byKey.finish(handle, await answerKey(step, { ...names, purpose: 'login', sign: (data) => second.sign(data) }))
})
