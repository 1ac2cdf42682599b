// @ts-check
import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { decodeEnrolment, planConfirm } from '@postern/authenticators/enrolment'
import { createKe1, createKe3, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { curve25519Over } from '@postern/authenticators/opaque/curve25519'
import { createKe2, createRegistrationResponse, expandSeedOf, finishLogin } from '@postern/authenticators/opaque/server'
import { ristretto255Sha512 } from '@postern/authenticators/opaque/suite'
import { enrolPin, loginPin } from '@postern/authenticators/pin/client'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import { createPin } from '@postern/authenticators/pin/server'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { systemPorts } from '@postern/core/systemRuntime'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { refuses, same } from './assert.js'

const crypto = createCrypto()
const { clock, random } = systemPorts()

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  ...[ristretto255Sha512, curve25519Over(crypto)].map(
    (suite) =>
      /** @type {import('../suite.js').Case} */ ([
        `authenticators: OPAQUE ${suite.name}: both ends agree on a key; a wrong password and a KE3 that is off are refused`,
        () => opaque(suite),
      ]),
  ),
  ['authenticators: a PIN is enrolled and logs in; a wrong one does not (pin/v1)', pin],
]

/** @param {import('@postern/authenticators/opaque/suite').OpaqueSuite} suite */
async function opaque(suite) {
  /** @param {Uint8Array} input */
  const stretch = (input) => crypto.digest('SHA-512', input)
  const pair = await suite.group.deriveKeyPair(random(32))
  const keys = { ...pair, expandSeed: expandSeedOf(suite, random(suite.Nh)) }
  const password = utf8('27182')
  const credentialIdentifier = utf8('dev:d1')
  const { request, blind } = createRegistrationRequest(suite, password, { random })
  const response = await createRegistrationResponse(suite, { request, credentialIdentifier, keys })
  const made = await finalizeRegistration(suite, { password, blind, response, envelopeNonce: random(32), stretch })

  /** @param {Uint8Array} typed */
  const login = async (typed) => {
    const state = await createKe1(suite, typed, { random })
    const context = utf8('runtime')
    const fresh = { maskingNonce: random(32), serverNonce: random(32), keyshareSeed: random(32) }
    const { ke1 } = state
    const { ke2, state: kept } = await createKe2(suite, {
      record: made.record,
      ke1,
      credentialIdentifier,
      context,
      keys,
      ...fresh,
    })
    return { kept, client: await createKe3(suite, { password: typed, state, ke2, context, stretch }) }
  }
  const { kept, client } = await login(password)
  if (client === null) throw new Error('the right password was refused')
  same(finishLogin(suite, kept, client.ke3), client.sessionKey, 'session key')
  same(client.exportKey, made.exportKey, 'export key')
  const ke3 = client.ke3.slice()
  ke3[5] = (ke3[5] ?? 0) ^ 1
  same(finishLogin(suite, kept, ke3), null, 'KE3')
  same((await login(utf8('27183'))).client, null, 'wrong password')
}

async function pin() {
  const runtime = { clock, random, crypto, store: memoryStore() }
  const keyRing = await openKeyRing(await createKeyRingDocument(runtime), crypto)
  const server = createPin({ keys: pinKeysOf(keyRing, crypto), seal: createSealer({ ring: keyRing.short, ...runtime }), runtime })
  const part = { tenant: 'bank', id: 'dev:d1' }
  const key = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  await runtime.store.commit(part, [{ op: 'put', key: 'd', value: utf8('{}') }], { now: clock(), rev: newRev(random) })
  const names = { issuer: 'https://bank.example', tenant: 'bank', app: 'retail' }

  /** @param {'enrol' | 'login'} purpose @param {string | null} id @param {string | null} handle */
  const ceremony = async (purpose, id, handle) => {
    const [d, enr] = await runtime.store.read(part, ['d', `enr/${id ?? 'new'}`], { now: clock() })
    if (!d) throw new Error('no device')
    const device = { id: 'd1', rev: d.rev, key: key.publicJwk, keyLevel: /** @type {const} */ ('hardware') }
    const enrolment = id === null ? null : { id, rev: enr?.rev ?? null, value: enr ? decodeEnrolment(enr.value) : null }
    const claim = { until: clock() + 120_000, owner: 'usr:ada', data: new Uint8Array(0) }
    const rest = { part, device, enrolment, claim, bind: null, userVerification: /** @type {const} */ ('preferred') }
    return { ...names, purpose, ...rest, ...(handle === null ? {} : { handle }) }
  }
  /** @param {'enrol' | 'login'} purpose @param {string | null} id @returns {import('@postern/authenticators/pin/client').PinExchange} */
  const exchange = (purpose, id) => ({
    async begin(handle, answer) {
      const done = await runBegin(server, await ceremony(purpose, id, handle), answer, { runtime })
      if (!done.ok) throw new Error(done.code)
      return { handle: done.value.handle, step: done.value.body }
    },
    async finish(handle, answer) {
      const done = await runFinish(server, await ceremony(purpose, id, handle), answer, { runtime })
      if (!done.ok) throw new Error(done.code)
      return done.value.amr
    },
  })
  // The least key stretching: what a guess costs is not what this case is about.
  const ksf = (/** @type {Uint8Array} */ input) => crypto.digest('SHA-512', input)
  const app = { ...names, device: 'd1', sign: (/** @type {Uint8Array} */ data) => key.sign(data), crypto, random, ksf }

  const { slot } = await enrolPin({ ...app, exchange: exchange('enrol', null), pin: utf8('27182') })
  const [enr] = await runtime.store.read(part, [`enr/${slot.enrolment}`], { now: clock() })
  if (!enr) throw new Error('no enrolment')
  const confirm = planConfirm({ id: slot.enrolment, rev: enr.rev, value: decodeEnrolment(enr.value) })
  await runtime.store.commit(part, [confirm], { now: clock(), rev: newRev(random) })
  const login = { ...app, exchange: exchange('login', slot.enrolment), slots: [slot], purpose: /** @type {const} */ ('login') }
  same((await loginPin({ ...login, pin: utf8('27182') })).result, ['pin', 'pop', 'mfa', 'hwk'], 'amr')
  await refuses(() => loginPin({ ...login, pin: utf8('00000') }), 'pin.wrong')
}
