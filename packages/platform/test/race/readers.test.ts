/** Copies that nodes keep of what operators set: never older after newer, never half of a change. */
import { mobileSchema } from '@postern/policy/mobile'
import { publish } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { newRev, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { expect, it } from 'vitest'
import { configKey, createConfigStore } from '../../src/internal/config.js'
import { encodeRecord } from '../../src/internal/record.js'
import { bankPolicy, crypto } from '../support/bank.js'
import { policyDesk } from '../support/people.js'

/** A store whose next listing waits until it is let go; what it gives is what stood there when it was asked. */
function slowOnce() {
  const ports = simPorts({ seed: 3 })
  const memory = memoryStore()
  let held: Promise<void> | null = null
  let go: () => void = () => undefined
  const store: Store = {
    ...memory,
    async list(part, prefix, o) {
      const waits = held
      held = null
      const page = await memory.list(part, prefix, o)
      await waits
      return page
    },
  }
  return {
    ports,
    store,
    hold() {
      held = new Promise((resolve) => {
        go = resolve
      })
    },
    release: () => go(),
  }
}

it('a write of this node shows at once, and a slow reading from before it never again', async () => {
  const { ports, store, hold, release } = slowOnce()
  const config = createConfigStore({ store, tenant: 'bank', clock: ports.clock, random: ports.random })
  const app = (name: string) => ({ id: 'retail', name, registration: 'open' })
  await config.write(configKey.app('retail'), app('old'), null, [])
  hold()
  const slow = config.current()
  await Promise.resolve()
  const rev = (await store.read({ tenant: 'bank', id: 'cfg' }, [configKey.app('retail')], { now: ports.clock() }))[0]!.rev
  await config.write(configKey.app('retail'), app('new'), rev, [])
  expect((await config.current()).apps.get('retail')?.name).toBe('new')
  release()
  await slow
  expect((await config.current()).apps.get('retail')?.name).toBe('new')
})

it('I7: a configuration of many records is one generation, though somebody writes while it is read', async () => {
  const ports = simPorts({ seed: 4 })
  const memory = memoryStore()
  const part = { tenant: 'bank', id: 'cfg' }
  for (let i = 0; i < 1_100; i += 10)
    await memory.commit(
      part,
      Array.from({ length: 10 }, (_, n) => ({
        op: 'put' as const,
        key: configKey.version('mid', 'other', `1.0.${i + n}`),
        value: encodeRecord({ status: 'enabled', signatures: [], sealed: false }),
      })),
      { now: ports.clock(), rev: newRev(ports.random) },
    )
  let writes = 2
  const store: Store = {
    ...memory,
    async list(where, prefix, o) {
      const page = await memory.list(where, prefix, o)
      // First and last of the keys, between two pages of one reading.
      if (writes > 0 && o.after === undefined) {
        const name = `v${writes--}`
        await memory.commit(
          part,
          [
            { op: 'put', key: 'head', value: new Uint8Array(0) },
            { op: 'put', key: configKey.app('aaa'), value: encodeRecord({ id: 'aaa', name, registration: 'open' }) },
            {
              op: 'put',
              key: configKey.version('zzz', 'other', name),
              value: encodeRecord({ status: 'enabled', signatures: [], sealed: false }),
            },
          ],
          { now: ports.clock(), rev: newRev(ports.random) },
        )
      }
      return page
    },
  }
  const { apps, versions } = await createConfigStore({
    store,
    tenant: 'bank',
    clock: ports.clock,
    random: ports.random,
  }).current()
  expect(apps.get('aaa')?.name).toBe('v1')
  expect([...versions.keys()].filter((key) => key.startsWith('zzz'))).toEqual(['zzz/other/v1', 'zzz/other/v2'])
})

it('a publication of this node decides at once, and a slow reading from before it never again', async () => {
  const { ports, store, hold, release } = slowOnce()
  const { policies, ctx } = policyDesk({ ...ports, store }, () => undefined)
  const start = bankPolicy(await hashSchema(mobileSchema, crypto))
  await publish(start, ctx)
  const first = (await policies.head('main'))!.version
  hold()
  const slow = policies.current()
  await Promise.resolve()
  await publish(
    {
      ...start,
      parent: first,
      rules: start.rules.map((rule) => (rule.id === 'login-level' ? { ...rule, require: { acr: 3 } } : rule)),
    },
    ctx,
  )
  const second = (await policies.head('main'))!.version
  expect((await policies.current()).version).toBe(second)
  release()
  expect((await slow).version).toBe(first)
  expect((await policies.current()).version).toBe(second)
})
