/// <reference types="node" />
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { activateDevice, claimDevice, lockDevice, readDevices, releaseDevice } from '@postern/authenticators/devices'
import { decodeEnrolment, type Enrolment, encodeEnrolment, isEnrolmentId, planUnlock } from '@postern/authenticators/enrolment'
import { loginPin } from '@postern/authenticators/pin/client'
import { createRegistry, factsOf, watchedKeys } from '@postern/authenticators/registry'
import { concat, fromUtf8, hex, u8, utf8 } from '@postern/core/bytes'
import { newRev, type Rec } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { encodeKe2Handle, encodePinChallenge, readKe2Handle, readPinChallenge } from '../../src/internal/pinHandle.js'
import { decodePinRecord, encodePinRecord } from '../../src/internal/pinRecord.js'
import { byteReader } from '../../src/internal/reader.js'
import { codeOf, createWorld, random } from '../world.js'

const value: Enrolment = {
  type: 'pin',
  status: 'active',
  cause: null,
  generation: 3,
  suite: '0001',
  createdAt: 1,
  usedAt: 2,
  epoch: '',
  owner: 'usr:ada',
  key: null,
  keyLevel: 'hardware',
  data: utf8('x'),
}
const rec = (key: string, bytes: Uint8Array, n = 0): Rec => ({ key, value: bytes, n, rev: `rev-${key}`, expiresAt: 0 })
const E = 'ab'.repeat(16)
const now = 1_000_000

describe('records', () => {
  it('an enrolment reads back as written; a newer schema and an empty value are told apart', async () => {
    expect(decodeEnrolment(encodeEnrolment(value))).toEqual(value)
    expect(await codeOf((async () => decodeEnrolment(Uint8Array.of(2, 123)))())).toBe('store.schema_unknown')
    expect(await codeOf((async () => decodeEnrolment(new Uint8Array(0)))())).toBe('store.corrupt')
    expect([isEnrolmentId(E), isEnrolmentId(E.toUpperCase()), isEnrolmentId('../d'), isEnrolmentId(7)]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('an enrolment without its type, status or data, or with others than it should have, is corrupt', async () => {
    const json = JSON.parse(fromUtf8(encodeEnrolment(value).subarray(1))!) as Record<string, unknown>
    const read = async (change: object) =>
      codeOf((async () => decodeEnrolment(concat(u8(1), utf8(JSON.stringify({ ...json, ...change })))))())
    expect(await read({})).toBe('ok')
    for (const member of ['type', 'status', 'data'])
      for (const bad of [undefined, null, 7])
        expect([member, bad, await read({ [member]: bad })]).toEqual([member, bad, 'store.corrupt'])
    expect(await read({ data: '=' })).toBe('store.corrupt')
  })

  it('a PIN record is u8 1 ‖ u16 suite ‖ lp(version) ‖ u32 g ‖ record, and lp(R₂) behind it while it waits', () => {
    const record = new Uint8Array(192).fill(7)
    const pin = { suite: '0003', version: 'v', generation: 258, record, after: null } as const
    expect(hex(encodePinRecord(pin))).toBe(`010003000176${'00000102'}${'07'.repeat(192)}`)
    expect(decodePinRecord(encodePinRecord(pin))).toEqual(pin)
    expect(hex(encodePinRecord({ ...pin, after: 'ab' })).slice(-8)).toBe('00026162')
    expect(() => decodePinRecord(encodePinRecord({ ...pin, after: 'ab' }))).toThrow('store.corrupt')
    expect(decodePinRecord(encodePinRecord({ ...pin, after: 'ab' }), 'next').after).toBe('ab')
  })

  it('both handles are laid out as written down', () => {
    const head = { device: 'D', enrolment: 'E', generation: 5, purpose: 'confirm', bind: new Uint8Array(32).fill(9) } as const
    const headHex = `01${'000144'}${'000145'}00000005${'04'}0020${'09'.repeat(32)}`
    const challenge = { ...head, nonce: new Uint8Array(32).fill(1), expiresAt: 0x010203, next: null }
    expect(hex(encodePinChallenge(challenge))).toBe(`${headHex}${'01'.repeat(32)}0000000000010203`)
    expect(readPinChallenge(byteReader(encodePinChallenge(challenge)))).toEqual(challenge)
    const ke2 = {
      ...head,
      rev: 'R',
      m1Hash: new Uint8Array(32).fill(2),
      ke2Hash: new Uint8Array(32).fill(3),
      value: Uint8Array.of(4),
      state: Uint8Array.of(5, 5),
      attempts: 1,
      failures: 2,
      windowEnd: 6,
      expiresAt: 7,
    }
    const tail = `000152${'02'.repeat(32)}${'03'.repeat(32)}000104000205050102${'0000000000000006'}${'0000000000000007'}`
    expect(hex(encodeKe2Handle(ke2))).toBe(headHex + tail)
    expect(readKe2Handle(byteReader(encodeKe2Handle(ke2)))).toEqual(ke2)
    const cut = byteReader(concat(encodeKe2Handle(ke2), Uint8Array.of(0)))
    readKe2Handle(cut)
    expect(() => cut.end()).toThrow(RangeError)
  })

  it('devices: claim, activate, lock, release; a void claim takes no place', () => {
    let current: Rec | null = null
    const apply = (change: ReturnType<typeof claimDevice>): string => {
      if (!change.ok) return change.code
      if (change.op.op === 'put') current = rec('devices', change.op.value)
      return 'ok'
    }
    expect(apply(claimDevice(current, { device: 'a', now, limit: 1 }))).toBe('ok')
    expect(apply(claimDevice(current, { device: 'b', now, limit: 1 }))).toBe('device.limit')
    expect(apply(activateDevice(current, { device: 'a', now: now + 120_000 }))).toBe('enrolment.expired')
    expect(apply(claimDevice(current, { device: 'b', now: now + 120_000, limit: 1 }))).toBe('ok')
    expect(apply(activateDevice(current, { device: 'b', now: now + 120_001 }))).toBe('ok')
    expect(readDevices(current, now * 9)).toEqual([{ id: 'b', status: 'active', until: 0 }])
    expect(apply(claimDevice(current, { device: 'b', now, limit: 1 }))).toBe('ok')
    expect(readDevices(current, now * 9)[0]!.status).toBe('active')
    expect(apply(lockDevice(current, { device: 'b', now, locked: true }))).toBe('ok')
    expect(apply(claimDevice(current, { device: 'b', now, limit: 1 }))).toBe('device.removed')
    expect(apply(activateDevice(current, { device: 'b', now }))).toBe('device.removed')
    expect(apply(releaseDevice(current, { device: 'b', now }))).toBe('ok')
    expect(readDevices(current, now)).toEqual([])
    expect(apply(claimDevice(null, { device: 'c', now, limit: 1000 }))).toBe('ok')
  })

  it('an operator’s unlock makes the PIN usable again', async () => {
    const w = createWorld({ onExhausted: 'lock' })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const login = (digits: string) =>
      loginPin({
        ...w.client(d),
        exchange: w.exchange(d, 'login', slot.enrolment),
        pin: utf8(digits),
        slots: [slot],
        purpose: 'login',
      })
    for (let i = 0; i < 3; i++) await codeOf(login('00000'))
    expect(await codeOf(login('27182'))).toBe('authenticator.locked')
    const [pin] = await w.read(d, `pin/${slot.enrolment}`)
    await w.store.commit(w.part(d), planUnlock(await w.enrolled(d, slot.enrolment), pin!), {
      now: w.clock(),
      rev: newRev(random),
    })
    expect(await codeOf(login('27182'))).toBe('ok')
  })
})

describe('an unlock', () => {
  it('ends the lock that the one try after a restore led to; a tombstone it does not raise', async () => {
    let epoch = ''
    const w = createWorld({ onExhausted: 'lock', epoch: () => epoch })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const login = (digits: string) => {
      const exchange = w.exchange(d, 'login', slot.enrolment)
      return codeOf(loginPin({ ...w.client(d), exchange, pin: utf8(digits), slots: [slot], purpose: 'login' }))
    }
    epoch = 'after-the-flood'
    expect([await login('00000'), await login('27182')]).toEqual(['pin.wrong', 'authenticator.locked'])
    const [pin] = await w.read(d, `pin/${slot.enrolment}`)
    const ops = planUnlock(await w.enrolled(d, slot.enrolment), pin!, epoch)
    await w.store.commit(w.part(d), ops, { now: w.clock(), rev: newRev(random) })
    expect([await login('00000'), await login('27182')]).toEqual(['pin.wrong', 'ok'])
    const tombstone = { id: E, rev: 'r', value: { ...value, status: 'removed' as const } }
    expect(await codeOf((async () => planUnlock(tombstone, null))())).toBe('authenticator.removed')
  })
})

describe('the registry', () => {
  const { pin, biometric } = createWorld()
  it('refuses what it cannot name', async () => {
    const bad = [[{ ...pin, type: 'sms' }], [pin, pin], [{ ...pin, amr: ['magic'] }]]
    for (const list of bad) expect(await codeOf((async () => createRegistry(list))())).toBe('authenticator.invalid')
    expect(
      createRegistry([pin, biometric, { ...pin, type: 'custom:card', amr: ['https://bank.example/amr/card'] }]).types,
    ).toHaveLength(3)
  })

  it('tells policy what is enrolled, usable and locked, of this user alone', () => {
    const registry = createRegistry([pin, biometric])
    const records = [
      rec(`enr/${E}`, encodeEnrolment(value)),
      rec('enr/bio', encodeEnrolment({ ...value, type: 'biometric' })),
      rec('enr/otp', encodeEnrolment({ ...value, type: 'otp' })),
      rec('enr/gone', encodeEnrolment({ ...value, type: 'device-key', status: 'removed' })),
      rec('enr/other', encodeEnrolment({ ...value, type: 'webauthn', owner: 'usr:eve' })),
      rec(`pin/${E}`, new Uint8Array(1), 3),
    ]
    const { facts, enrolments } = factsOf(registry, records, { owner: 'usr:ada' })
    expect(facts).toEqual({
      'authenticator.enrolled': ['pin', 'biometric', 'otp'],
      'authenticator.usable': ['biometric'],
      'authenticator.locked': ['pin'],
    })
    expect(enrolments.map((e) => e.state)).toEqual(['locked', 'usable', 'disabled', 'removed'])
    expect(
      watchedKeys(registry, [
        { id: E, type: 'pin' },
        { id: 'x', type: 'otp' },
      ]),
    ).toEqual([`pin/${E}`, `pin/${E}/failed`])
  })
})

describe('the client halves', () => {
  const src = fileURLToPath(new URL('../../src/', import.meta.url))
  const reached = (file: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(file)) return seen
    seen.add(file)
    for (const [, spec] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)(?! type)[^']*from '([^']+)'/gm)) {
      if (spec!.startsWith('.')) reached(resolve(dirname(file), spec!.replace(/\.js$/, '.ts')), seen)
      else seen.add(spec!)
    }
    return seen
  }
  it.each(['pin/client', 'deviceKey/client', 'opaque/client'])(
    '%s reaches no server file, no store and nothing of Node',
    (name) => {
      const all = [...reached(join(src, `${name}.ts`))].map((file) => relative(src, file))
      expect(all.filter((file) => /server|node:|postern\/store|pinPorts|enrolment/.test(file))).toEqual([])
      expect(all.length).toBeGreaterThan(2)
    },
  )
})
