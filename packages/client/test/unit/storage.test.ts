/// <reference types="node" />
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFileKeystore, nodeKsf } from '@postern/client/keystore/node'
import type { SignCause } from '@postern/client/ports'
import { createFileStorage } from '@postern/client/storage/file'
import { PosternError } from '@postern/core/errors'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPhone, createWorld, crypto, got, memoryStorage, registered, user } from '../support/world.js'

const signal = new AbortController().signal
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-client-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('keys and values in files', () => {
  it('carry a whole client over a restart, readable by their owner alone', async () => {
    const world = await createWorld()
    const ports = () => ({
      keystore: createFileKeystore({ folder: join(folder, 'k') }),
      storage: createFileStorage({ folder: join(folder, 's') }),
    })
    const first = createPhone(world, ports())
    got(await first.client.start())
    const { profile } = got(await first.client.register({ custom: 'letter', data: 'c-1' }, user(['40718'])))
    got(await first.client.enrol('biometric', user([])))
    for (const part of ['k', 's'])
      for (const name of await readdir(join(folder, part)))
        expect((await stat(join(folder, part, name))).mode & 0o777).toBe(0o600)
    const second = createPhone(world, ports())
    expect(got(await second.client.start())).toMatchObject({ instance: 'known', profiles: [{ id: profile }] })
    got(await second.client.login(profile!, user(['40718'])))
    got(await second.client.login(profile!, user([]), { prefer: 'biometric' }))
  })

  it('sign with the key that was made, say what the finger said, and have no key after removal', async () => {
    let finger: SignCause | null = null
    const keystore = createFileKeystore({ folder, biometric: () => finger })
    const { publicKey } = await keystore.create('a', { presence: 'biometric' })
    expect(Object.keys(publicKey).sort()).toEqual(['crv', 'kty', 'x', 'y'])
    const data = new Uint8Array([1, 2, 3])
    const signed = await keystore.sign('a', data, { signal })
    const key = await crypto.verifyKey('ES256', publicKey)
    expect(signed.ok && (await crypto.verify(key, data, signed.signature))).toBe(true)
    finger = 'locked-out'
    expect(await keystore.sign('a', data, { signal })).toEqual({ ok: false, cause: 'locked-out' })
    await keystore.remove('a')
    await keystore.remove('a')
    expect(await keystore.sign('a', data, { signal })).toEqual({ ok: false, cause: 'key-invalidated' })
    expect(await readdir(folder)).toEqual([])
  })

  it('stretch a PIN natively to the very bytes that JavaScript makes of it', async () => {
    const world = await createWorld()
    const runtime = { clock: world.clock.clock, random: world.random, crypto, fetch: world.fetch }
    const phone = await registered(world, { runtime })
    await expect(nodeKsf(new Uint8Array(1), '0002')).rejects.toMatchObject({ code: 'pin.suite_unsupported' })
    const native = phone.again({}, { runtime: { ...runtime, ksf: nodeKsf } })
    expect(got(await native.client.login(phone.profile, user(['40718'])))).toMatchObject({ acr: 'pin', failures: 0 })
  })

  it('take no name for a path', async () => {
    const storage = createFileStorage({ folder })
    for (const name of ['../x', 'a/b', '', '.hidden', 'a\0'])
      await expect(storage.set(name, new Uint8Array(1))).rejects.toMatchObject({ code: 'storage.unavailable' })
    expect(await readdir(folder)).toEqual([])
  })

  it('are unavailable, not empty, where the folder is none', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    const storage = createFileStorage({ folder: file })
    await expect(storage.get('a')).rejects.toMatchObject({ code: 'storage.unavailable' })
    await expect(storage.set('a', new Uint8Array(1))).rejects.toMatchObject({ code: 'storage.unavailable' })
  })
})

describe('what the client keeps', () => {
  it('survives a write that was torn: the other slot is whole', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    for (const slot of ['postern.state.0', 'postern.state.1']) {
      const whole = phone.storage.values.get(slot)!
      const torn = memoryStorage()
      for (const [key, value] of phone.storage.values)
        torn.values.set(key, key === slot ? value.slice(0, value.length >> 1) : value)
      const again = createPhone(world, {}, { keystore: phone.keystore, storage: torn })
      expect((await again.client.start()).ok).toBe(true)
      expect(whole.length).toBeGreaterThan(40)
    }
  })

  it('is not taken for nothing when none of it reads', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    for (const [key, value] of phone.storage.values)
      phone.storage.values.set(
        key,
        value.map((byte) => byte ^ 1),
      )
    const again = phone.again()
    expect(await again.client.start()).toMatchObject({ ok: false, error: { code: 'storage.lost' } })
    await again.client.reset()
    expect(await again.client.start()).toMatchObject({ ok: true, value: { profiles: [] } })
  })

  it('fails by name while the storage does, and works when it does again', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    let broken: unknown = new PosternError('storage.unavailable')
    const storage = {
      ...phone.storage,
      get: (key: string) => (broken === null ? phone.storage.get(key) : Promise.reject(broken)),
    }
    const again = createPhone(world, {}, { keystore: phone.keystore, storage: storage as never })
    expect(await again.client.login(phone.profile, user(['40718']))).toMatchObject({ error: { code: 'storage.unavailable' } })
    broken = new Error('the driver is angry')
    expect(await again.client.logout()).toMatchObject({ error: { code: 'storage.unavailable' } })
    broken = null
    got(await again.client.login(phone.profile, user(['40718'])))
  })

  it('says that the device key is gone, and keeps the rest', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    phone.keystore.keys.clear()
    expect(await phone.client.login(phone.profile, user(['40718']))).toMatchObject({ error: { code: 'storage.lost' } })
  })
})

describe('a start', () => {
  it('tells the server of an update of the app and of the system, and of nothing else', async () => {
    const world = await createWorld()
    const phone = await registered(world)
    expect(got(await phone.again({ version: '5.3.0' }).client.start())).toMatchObject({ instance: 'updated' })
    expect(got(await phone.again({ version: '5.3.0', osVersion: '14.2' }).client.start())).toMatchObject({ instance: 'updated' })
    world.arrived.length = 0
    const last = phone.again({ version: '5.3.0', osVersion: '14.2' })
    expect(got(await last.client.start())).toMatchObject({ instance: 'known', profiles: [{ id: phone.profile }] })
    expect(world.arrived).toEqual([])
    got(await last.client.login(phone.profile, user(['40718'])))
  })

  it('is refused by name: version, app, closed registration, configuration', async () => {
    const world = await createWorld()
    const code = async (over: object): Promise<string> => {
      const phone = createPhone(world, { app: over as never })
      const result = await phone.client.start()
      expect(phone.keystore.keys.size).toBe(result.ok ? 1 : 0)
      return result.ok ? 'ok' : result.error.code
    }
    expect(await code({ version: '1.0.0' })).toBe('app.disabled')
    expect(await code({ id: 'other' })).toBe('app.unknown')
    expect(await code({ api: 'not a url' })).toBe('config.invalid')
    expect(await code({ api: 'https://api.bank.example/path' })).toBe('config.invalid')
    await world.admin('/apps/retail', { name: 'Retail', registration: 'closed' })
    expect(await code({})).toBe('app.registration_closed')
  })
})
