/** The engine port: RFC 9807's server by another hand behind pin/v1, and the same bytes as ours. */

import { createKe1, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { changePin, enrolPin, loginPin, type PinSlot } from '@postern/authenticators/pin/client'
import { pinKeysOf } from '@postern/authenticators/pin/keys'
import type { OpaqueServerEngine } from '@postern/authenticators/pin/server'
import { fromHex, hex, utf8 } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { opaqueEngine } from '../../src/internal/pinEngine.js'
import { opaqueSuites } from '../../src/internal/pinSuites.js'
import { outsideEngine, ristretto, x25519 } from '../outsideEngine.js'
import { codeOf, createWorld, crypto, type Device, random, type World } from '../world.js'

const engines = { '0001': outsideEngine(ristretto), '0002': outsideEngine(ristretto), '0003': outsideEngine(x25519) }
const keysOf = pinKeysOf({ secret: (label) => crypto.digest('SHA-256', utf8(label)) }, crypto)

describe.each(['0001', '0003'] as const)('an outside engine, suite %s', (suite) => {
  const login = (w: World, d: Device, slots: readonly PinSlot[], digits: string) =>
    loginPin({
      ...w.client(d),
      exchange: w.exchange(d, 'login', slots[0]!.enrolment),
      pin: utf8(digits),
      slots,
      purpose: 'login',
    })

  it('enrols, logs in, refuses, changes; what one engine enrolled the other logs in', async () => {
    const w = createWorld({ suites: [suite], engine: (asked) => engines[asked] })
    const d = await w.device('d1')
    const { slot } = await enrolPin({ ...w.client(d), exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') })
    await w.confirm(d, slot.enrolment)
    const done = await login(w, d, [slot], '27182')
    const verdict = done.result as { session: (use: string) => Promise<Uint8Array> }
    expect(await done.session('x')).toEqual(await verdict.session('x'))
    expect(await codeOf(login(w, d, [slot], '00000'))).toBe('pin.wrong')
    const ours = createWorld({ suites: [suite], store: w.store, seal: w.seal })
    expect(await codeOf(login(ours, d, [slot], '27182'))).toBe('ok')
    const changed = await changePin({
      ...w.client(d),
      exchange: w.exchange(d, 'change', slot.enrolment),
      pin: utf8('27182'),
      newPin: utf8('31415'),
      slots: [slot],
      keep: async () => {},
    })
    expect(await codeOf(login(ours, d, [changed.slot], '31415'))).toBe('ok')
  })

  it('one that was never enrolled gets its fake, too', async () => {
    const w = createWorld({ suites: [suite], engine: (asked) => engines[asked] })
    const d = await w.device('d1')
    const slot = { ...(await w.withPin(d, '27182')), enrolment: '0'.repeat(32) }
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe('pin.wrong')
  })

  it('gives the same registration response, KE2 and state, byte for byte, for a record and for none', async () => {
    const s = opaqueSuites[suite]
    const keys = (await keysOf(suite))!
    const ours = opaqueEngine(s, crypto)
    const theirs = engines[suite]
    const credentialIdentifier = utf8('credential')
    const password = random(32)
    const { request, blind } = createRegistrationRequest(s, password, { random })
    const asked = { request, credentialIdentifier, keys }
    const response = await theirs.registrationResponse(asked)
    expect(hex(await ours.registrationResponse(asked))).toBe(hex(response))
    const i = { password, blind, response: new Uint8Array(response), envelopeNonce: random(32), stretch: (x: Uint8Array) => x }
    const { record } = await finalizeRegistration(s, i)
    const { ke1 } = await createKe1(s, password, { random })
    for (const kept of [record, null]) {
      const input = {
        record: kept,
        ke1,
        credentialIdentifier,
        context: utf8('context'),
        clientIdentity: utf8('client'),
        serverIdentity: utf8('server'),
        seed: random(64),
        keys,
      }
      const [a, b] = [await ours.ke2(input), await theirs.ke2(input)]
      expect([hex(a.ke2), hex(a.state)]).toEqual([hex(b.ke2), hex(b.state)])
      const ke3 = a.state.slice(0, 64)
      expect(hex((await ours.finish(a.state, ke3))!)).toBe(hex((await theirs.finish(b.state, ke3))!))
      ke3[63]! ^= 1
      expect([await ours.finish(a.state, ke3), await theirs.finish(b.state, ke3)]).toEqual([null, null])
    }
  })

  it('refuses the same elements: identity, non-canonical, low order, short', async () => {
    const good = await createKe1(opaqueSuites[suite], random(32), { random })
    const code = async (engine: OpaqueServerEngine, ke1: Uint8Array) => codeOf((async () => engine.check(ke1))())
    const [identity, tooLarge] = [new Uint8Array(32), new Uint8Array(32).fill(255)]
    // Of order 8 on curve25519: whatever the scalar, the secret is zero (RFC 7748 §6.1).
    const low = fromHex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')!
    const bad: readonly (readonly [number, Uint8Array])[] = [
      [0, identity],
      [0, tooLarge],
      [64, identity],
      [64, suite === '0003' ? low : tooLarge],
    ]
    const own = opaqueEngine(opaqueSuites[suite], crypto)
    for (const engine of [own, engines[suite]]) {
      expect(await code(engine, good.ke1)).toBe('ok')
      expect(await code(engine, good.ke1.subarray(1))).toBe('opaque.refused')
      for (const [at, element] of bad) {
        const ke1 = good.ke1.slice()
        ke1.set(element, at)
        expect(await code(engine, ke1), `${hex(element)} at ${at}`).toBe('opaque.refused')
      }
      const record = new Uint8Array(192)
      expect(await codeOf((async () => engine.checkRecord(record))())).toBe('opaque.refused')
      expect(await codeOf((async () => engine.checkRecord(record.subarray(1)))())).toBe('opaque.refused')
    }
  })
})
