/// <reference types="node" />
import { join } from 'node:path'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { decodeBase64url } from '@postern/core/base64url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { claimPart, readClaim } from '../../src/internal/passkeyClaim.js'
import { codeOf, createBank, passkey, rpId } from '../passkey.js'
import { crypto } from '../world.js'

let child: Bundle
const users = ['ada', 'bob', 'eve']

beforeAll(async () => {
  child = await bundle(new URL('./registrar.ts', import.meta.url))
})
afterAll(() => child.remove())

it('A12 kill -9 among registrations, three times: what was said to be registered is, each id has one holder, and halves give way', async () => {
  const file = join(child.folder, 'passkeys.db')
  const told: [string, string][] = []
  for (const [life, afterLines] of [
    ['1', 25],
    ['2', 40],
    ['3', 60],
  ] as const)
    for (const line of await killNine({ script: child.script, args: [file, life], afterLines })) {
      const [user = '', , said = ''] = line.split(' ')
      if (/^[0-9a-f]{32}$/.test(said)) told.push([user, said])
      else expect(said).toMatch(/^webauthn\.(credential_taken|challenge)$/)
    }
  expect(told.length).toBeGreaterThan(30)
  const store = sqliteStore(new Database(file))
  const bank = createBank({ store })
  bank.time.now += 10_000
  const halves: { readonly user: string; readonly id: Uint8Array }[] = []
  const holders = new Map<string, string>()
  for (const user of users)
    for (const rec of await store.list(bank.part(user), 'wa/', { now: bank.time.now, limit: 1000 })) {
      const { status, credential } = decodeEnrolment(rec.value)
      const id = decodeBase64url(credential!.id)!
      const [held] = await store.read(await claimPart(crypto, 'bank', rpId, id), ['c'], { now: bank.time.now })
      if (status === 'pending') {
        halves.push({ user, id })
        continue
      }
      expect(readClaim(held!.value)).toMatchObject({ owner: `usr:${user}`, name: rec.key.slice(3), confirmed: true })
      expect(holders.get(credential!.id)).toBe(undefined)
      holders.set(credential!.id, user)
    }
  for (const [user, name] of told) expect((await bank.record(user, name))!.value.status).toBe('active')
  // Past both expiries and the grace, whatever a kill left half done is anybody's.
  bank.time.now += 120_001 + 60_000
  for (const { id } of halves) {
    const { options, handle } = await bank.offer('bob')
    const key = Buffer.from(id).toString('base64url')
    expect(codeOf(await bank.register('bob', passkey({ id }).create(options), handle))).toBe(
      holders.has(key) ? 'webauthn.credential_taken' : 'ok',
    )
  }
  await store.close()
})
