import { createCrypto } from '@postern/core/crypto'
import { compile } from '@postern/policy/compile'
import { decide } from '@postern/policy/evaluate'
import { mobileSchema, starterDocument } from '@postern/policy/mobile'
import { check } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { expect, it } from 'vitest'

it('smoke', async () => {
  const crypto = createCrypto()
  const doc = starterDocument({
    id: 'bank',
    schema: await hashSchema(mobileSchema, crypto),
    levels: { pin: 1, 'device-key': 1, 'device-key+pin': 2 },
    login: 1,
    confirm: 2,
    osMinimum: { ios: '16.4' },
  })
  const report = await check(doc as never, { schema: mobileSchema, crypto })
  expect(report.findings).toEqual([])
  const p = compile(mobileSchema, doc)
  console.log(decide(p, { action: 'login' }), report)
})
