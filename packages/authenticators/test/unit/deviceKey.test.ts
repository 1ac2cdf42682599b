import { runBegin, runFinish } from '@postern/authenticators/authenticator'
import { answerKey, answerKeyEnrolment, answerLostKey, keyLoss } from '@postern/authenticators/deviceKey/client'
import { planRemove } from '@postern/authenticators/enrolment'
import { PosternError } from '@postern/core/errors'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { describe, expect, it } from 'vitest'
import { createWorld, crypto, type Device, issuer, random, type World } from '../world.js'

const client = (d: Device) => ({ issuer, tenant: d.tenant, app: 'retail', device: d.id, crypto })

async function enrol(w: World, d: Device, type: 'deviceKey' | 'biometric', keyLevel?: 'hardware') {
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const claim = {
    until: w.clock() + 120_000,
    owner: 'usr:ada',
    data: new Uint8Array(0),
    ...(keyLevel === undefined ? {} : { keyLevel }),
  }
  const first = await runBegin(w[type], await w.ceremony(d, 'enrol', null), null, { runtime: w.runtime })
  if (!first.ok) throw new Error(first.code)
  const key = { publicJwk: signer.publicJwk, sign: (m: Uint8Array) => signer.sign(m) }
  const answer = await answerKeyEnrolment(first.value.body, { ...client(d), key, deviceSign: (m) => d.signer.sign(m) })
  const c = await w.ceremony(d, 'enrol', null, { handle: first.value.handle, claim })
  const done = await runFinish(w[type], c, answer, { runtime: w.runtime })
  if (!done.ok) throw new Error(`${done.code} ${done.reason}`)
  await w.confirm(d, first.value.enrolment)
  return { id: first.value.enrolment, signer, c, answer }
}

async function challenge(w: World, d: Device, id: string, type: 'deviceKey' | 'biometric', more = {}) {
  const first = await runBegin(w[type], await w.ceremony(d, 'login', id, more), null, { runtime: w.runtime })
  if (!first.ok) throw new Error(first.code)
  return first.value
}

describe('key/v1', () => {
  it('enrols and logs in; a biometric key says user, its level comes from evidence alone', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    for (const [type, level, amr] of [
      ['deviceKey', undefined, ['pop', 'swk']],
      ['biometric', 'hardware', ['user', 'pop', 'hwk']],
    ] as const) {
      const { id, signer } = await enrol(w, d, type, level)
      const { handle, body } = await challenge(w, d, id, type)
      const answer = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
      const done = await runFinish(w[type], await w.ceremony(d, 'login', id, { handle }), answer, { runtime: w.runtime })
      expect(done).toMatchObject({ ok: true, value: { amr, facts: { enrolment: id, purpose: 'login' } } })
    }
  })

  it('A07 one challenge, one success, 20 in parallel; a wrong answer burns nothing', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { id, signer } = await enrol(w, d, 'biometric')
    const { handle, body } = await challenge(w, d, id, 'biometric')
    const c = await w.ceremony(d, 'login', id, { handle })
    const wrong = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => d.signer.sign(m) })
    expect(await runFinish(w.biometric, c, wrong, { runtime: w.runtime })).toMatchObject({ ok: false, code: 'key.refused' })
    const right = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
    const all = await Promise.all(Array.from({ length: 20 }, () => runFinish(w.biometric, c, right, { runtime: w.runtime })))
    expect(all.filter((r) => r.ok)).toHaveLength(1)
    expect(all.filter((r) => !r.ok && r.code === 'key.refused')).toHaveLength(19)
  })

  it('A07 purpose, bind, type, device and enrolment are inside the signature or the handle', async () => {
    const w = createWorld()
    const [d, other] = [await w.device('d1'), await w.device('d2')]
    const { id, signer } = await enrol(w, d, 'deviceKey')
    const [second, bio] = [await enrol(w, d, 'deviceKey'), await enrol(w, d, 'biometric')]
    const { handle, body } = await challenge(w, d, id, 'deviceKey')
    const answer = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
    const swaps = [
      w.ceremony(d, 'confirm', id, { handle }),
      w.ceremony(d, 'login', id, { handle, bind: random(32) }),
      w.ceremony(other, 'login', id, { handle }),
      w.ceremony(d, 'login', second.id, { handle }),
      w.ceremony(d, 'login', id, { handle, app: 'corporate' }),
    ]
    for (const c of swaps)
      expect(await runFinish(w.deviceKey, await c, answer, { runtime: w.runtime })).toMatchObject({ code: 'key.refused' })
    const asBio = await w.ceremony(d, 'login', bio.id, { handle })
    expect(await runFinish(w.biometric, asBio, answer, { runtime: w.runtime })).toMatchObject({ code: 'key.refused' })
    expect(
      await runFinish(w.deviceKey, await w.ceremony(d, 'login', id, { handle }), answer, { runtime: w.runtime }),
    ).toMatchObject({ ok: true })
  })

  it('a removed one says so, an expired challenge too, an enrolment twice is one', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { id, signer, c, answer } = await enrol(w, d, 'biometric')
    expect(await runFinish(w.biometric, c, answer, { runtime: w.runtime })).toMatchObject({
      code: 'authenticator.already_enrolled',
    })
    const sign = (m: Uint8Array) => signer.sign(m)
    const late = await challenge(w, d, id, 'biometric')
    w.time.now += 300_000
    const lateAnswer = await answerKey(late.body, { ...client(d), purpose: 'login', sign })
    expect(
      await runFinish(w.biometric, await w.ceremony(d, 'login', id, { handle: late.handle }), lateAnswer, { runtime: w.runtime }),
    ).toMatchObject({ code: 'key.expired' })
    const { handle, body } = await challenge(w, d, id, 'biometric')
    await w.store.commit(w.part(d), planRemove(await w.enrolled(d, id), 'os-lockout', w.biometric.remove(id)), {
      now: w.clock(),
      rev: newRev(random),
    })
    const last = await answerKey(body, { ...client(d), purpose: 'login', sign })
    expect(
      await runFinish(w.biometric, await w.ceremony(d, 'login', id, { handle }), last, { runtime: w.runtime }),
    ).toMatchObject({ code: 'authenticator.removed' })
  })

  it('a key with a private part, another curve or an extra member is refused', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { answer } = await enrol(w, d, 'deviceKey')
    const { key, ...signatures } = answer as { key: Record<string, string> }
    const first = await runBegin(w.deviceKey, await w.ceremony(d, 'enrol', null), null, { runtime: w.runtime })
    const c = await w.ceremony(d, 'enrol', null, { handle: first.ok ? first.value.handle : '' })
    for (const bad of [
      { ...key, d: key['x'] },
      { ...key, crv: 'P-384' },
      { ...key, kid: 'a' },
      { ...key, y: key['x'] },
      null,
      'x',
    ])
      expect(await runFinish(w.deviceKey, c, { key: bad, ...signatures }, { runtime: w.runtime })).toMatchObject({
        code: 'key.refused',
      })
  })

  it.each([
    ['key.os_lockout', 'os-lockout'],
    ['key.invalidated', 'key-invalidated'],
  ] as const)('%s of the keystore removes the enrolment on both sides, in one audited commit', async (code, cause) => {
    const w = createWorld()
    const d = await w.device('d1')
    const { id } = await enrol(w, d, 'biometric')
    const { handle, body } = await challenge(w, d, id, 'biometric')
    const keystore = () => {
      throw new PosternError(code)
    }
    const error = await answerKey(body, { ...client(d), purpose: 'login', sign: keystore }).catch((thrown: unknown) => thrown)
    expect(keyLoss(error)).toBe(cause)
    const answer = await answerLostKey(body, { ...client(d), purpose: 'login', cause, deviceSign: (m) => d.signer.sign(m) })
    const c = await w.ceremony(d, 'login', id, { handle })
    const all = await Promise.all(Array.from({ length: 10 }, () => runFinish(w.biometric, c, answer, { runtime: w.runtime })))
    for (const one of all) expect(one).toMatchObject({ ok: false, code: 'authenticator.removed', next: 'removed' })
    expect((await w.enrolled(d, id)).value).toMatchObject({ status: 'removed', cause })
    const events = (await w.store.outbox!({ now: w.clock(), limit: 100 })).map((r) => decodeEvent(r.value)!)
    expect(events.filter((e) => e.type === 'authenticator.removed')).toMatchObject([{ authenticator: id, reason: cause }])
  })

  it('what passes is no loss: cancelled, locked for a while, anything that is thrown', () => {
    for (const error of [new PosternError('key.refused'), new Error('key.invalidated'), 'key.invalidated', null])
      expect(keyLoss(error)).toBeNull()
  })

  it('A07 a loss is signed by the device key, for this challenge, enrolment and cause; anything else changes nothing', async () => {
    const w = createWorld()
    const [d, other] = [await w.device('d1'), await w.device('d2')]
    const { id, signer } = await enrol(w, d, 'biometric')
    const second = await enrol(w, d, 'biometric')
    const { handle, body } = await challenge(w, d, id, 'biometric')
    const cause = 'os-lockout'
    const by = (sign: Device['signer']) =>
      answerLostKey(body, { ...client(d), purpose: 'login', cause, deviceSign: (m) => sign.sign(m) })
    const good = await by(d.signer)
    const c = await w.ceremony(d, 'login', id, { handle })
    const gone = { ...c, device: null }
    const refused: readonly (readonly [typeof c, unknown])[] = [
      [c, await by(other.signer)],
      [c, await by(signer)],
      [c, { ...good, lost: 'key-invalidated' }],
      [c, { ...good, lost: 'attempts' }],
      [c, { ...good, lost: 7 }],
      [c, { ...good, more: 1 }],
      [gone, good],
      [await w.ceremony(d, 'confirm', id, { handle }), good],
      [await w.ceremony(d, 'login', second.id, { handle }), good],
      [await w.ceremony(other, 'login', id, { handle }), good],
      [{ ...c, enrolment: { id, rev: null, value: null } }, good],
      [{ ...c, enrolment: { ...c.enrolment!, value: { ...c.enrolment!.value!, status: 'pending' as const } } }, good],
      [{ ...c, enrolment: { ...c.enrolment!, value: { ...c.enrolment!.value!, type: 'device-key' } } }, good],
    ]
    for (const [i, [ceremony, answer]] of refused.entries())
      expect(await runFinish(w.biometric, ceremony, answer, { runtime: w.runtime }), `${i}`).toMatchObject({
        code: 'key.refused',
      })
    w.time.now += 300_000
    expect(await runFinish(w.biometric, c, good, { runtime: w.runtime })).toMatchObject({ code: 'key.expired' })
    expect((await w.enrolled(d, id)).value.status).toBe('active')
  })

  it('A19 the keys of a backup do not come along: what the restored phone still has is told as lost, and the owner enrols again', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { id } = await enrol(w, d, 'biometric')
    const { handle, body } = await challenge(w, d, id, 'biometric')
    // The copy has neither the enrolment's key nor the device's: it can say nothing at all.
    const copy = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    const answer = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => copy.sign(m) })
    const c = await w.ceremony(d, 'login', id, { handle })
    expect(await runFinish(w.biometric, c, answer, { runtime: w.runtime })).toMatchObject({ code: 'key.refused' })
    const said = await answerLostKey(body, {
      ...client(d),
      purpose: 'login',
      cause: 'key-invalidated',
      deviceSign: (m) => copy.sign(m),
    })
    expect(await runFinish(w.biometric, c, said, { runtime: w.runtime })).toMatchObject({ code: 'key.refused' })
    expect((await w.enrolled(d, id)).value.status).toBe('active')
    const { id: again, signer } = await enrol(w, d, 'biometric')
    const next = await challenge(w, d, again, 'biometric')
    const fresh = await answerKey(next.body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
    const done = await runFinish(w.biometric, await w.ceremony(d, 'login', again, { handle: next.handle }), fresh, {
      runtime: w.runtime,
    })
    expect(done).toMatchObject({ ok: true })
  })

  it('A21 a key login while its device is being removed has one end', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { id, signer } = await enrol(w, d, 'biometric')
    const { handle, body } = await challenge(w, d, id, 'biometric')
    const answer = await answerKey(body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
    const c = await w.ceremony(d, 'login', id, { handle })
    await w.store.commit(w.part(d), [{ op: 'del', key: 'd' }], { now: w.clock(), rev: newRev(random) })
    expect(await runFinish(w.biometric, c, answer, { runtime: w.runtime })).toMatchObject({ code: 'device.removed' })
  })

  it('a key login is one commit and no read of its own', async () => {
    const counting = countingStore(memoryStore())
    const w = createWorld({ store: counting.store })
    const d = await w.device('d1')
    const { id, signer } = await enrol(w, d, 'biometric')
    const c = await w.ceremony(d, 'login', id)
    counting.reset()
    const first = await runBegin(w.biometric, c, null, { runtime: w.runtime })
    if (!first.ok) throw new Error(first.code)
    const answer = await answerKey(first.value.body, { ...client(d), purpose: 'login', sign: (m) => signer.sign(m) })
    await runFinish(w.biometric, { ...c, handle: first.value.handle }, answer, { runtime: w.runtime })
    expect(counting.counts()).toMatchObject({ commit: 1, read: 0, list: 0 })
  })
})
