import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { parseConfig } from '@postern/tokens/config'
import type { IssuerContext } from '@postern/tokens/issuer'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HandleType, openHandle, sealHandle } from '../../src/internal/handles.js'
import { kitOf } from '../../src/internal/kit.js'
import { openOpaque, sealOpaque } from '../../src/internal/opaque.js'
import { openTokenHandle, packHandle, sealTokenHandle, type TokenHandle, unpackHandle } from '../../src/internal/tokenHandle.js'

const TYPES: readonly HandleType[] = [
  'access',
  'ciba',
  'code',
  'device',
  'interaction',
  'logout',
  'registration',
  'par',
  'refresh',
  'deviceSecret',
]

async function contexts(): Promise<readonly IssuerContext[]> {
  const sim = simPorts({ seed: 1 })
  const keys = await openKeyRing(await createKeyRingDocument(sim), sim.crypto)
  const config = parseConfig({ defaultResource: 'https://api.example.com' })
  const runtime = { ...sim, store: memoryStore() }
  const base = { issuer: 'https://id.example.com', tenant: 't1', runtime, keys, config, clients: { find: async () => null } }
  return [base, { ...base, tenant: 't2' }, { ...base, issuer: 'https://id.example.com/x' }, { ...base, restoreEpoch: '1' }]
}

const name = fc.stringMatching(/^[a-z0-9:/.-]{1,40}$/)
const tokenHandle: fc.Arbitrary<TokenHandle> = fc
  .record({
    id: name,
    part: name,
    family: fc.option(fc.record({ id: name, row: fc.boolean() }), { nil: null }),
    session: fc.boolean(),
    revs: fc.option(fc.array(fc.option(name, { nil: null }), { maxLength: 3 }), { nil: null }),
    subject: fc.option(fc.string({ minLength: 1, maxLength: 255, unit: 'grapheme' }), { nil: undefined }),
    exchanged: fc.option(fc.record({ grantee: name, marks: fc.array(name, { minLength: 1, maxLength: 4 }) }), { nil: undefined }),
  })
  .map(({ subject, exchanged, ...rest }) => ({
    ...rest,
    ...(subject !== undefined && { subject }),
    ...(exchanged && { exchanged }),
  }))

describe('handles', () => {
  it('the handle of a token is read as it was written', () => {
    fc.assert(
      fc.property(tokenHandle, (handle) => {
        expect(unpackHandle(JSON.parse(JSON.stringify(packHandle(handle))))).toEqual(handle)
      }),
    )
  })

  it('T20 any changed character of any handle, and any other type, tenant, issuer or restore epoch, opens nothing', async () => {
    const all = await contexts()
    const [kit, ...others] = all.map(kitOf)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...TYPES),
        fc.jsonValue({ maxDepth: 2 }),
        fc.nat(),
        fc.constantFrom(...'ABCXYZabcxyz0189-_'),
        async (type, content, at, character) => {
          const text = await sealHandle(kit!, type, { content })
          expect(await openHandle(kit!, type, text)).toEqual({ content: JSON.parse(JSON.stringify(content)) })
          const i = at % text.length
          const changed = text.slice(0, i) + character + text.slice(i + 1)
          if (changed !== text) expect(await openHandle(kit!, type, changed)).toBeNull()
          for (const bad of [text + character, text.slice(0, -1), text.slice(1)])
            expect(await openHandle(kit!, type, bad)).toBeNull()
          for (const [n, other] of others.entries()) {
            // The registration token alone outlives a restore.
            const same = n === 2 && type === 'registration'
            expect(await openHandle(other, type, text)).toEqual(same ? { content: JSON.parse(JSON.stringify(content)) } : null)
          }
          for (const other of TYPES) {
            const renamed = (await sealHandle(kit!, other, 0)).slice(0, 3) + text.slice(3)
            if (other !== type) expect(await openHandle(kit!, other, renamed)).toBeNull()
          }
        },
      ),
    )
  })

  it('T20 an opaque token and the jti of a JWT never pass for each other', async () => {
    const kit = kitOf((await contexts())[0]!)
    await fc.assert(
      fc.asyncProperty(tokenHandle, async (handle) => {
        const claims = { sub: 'user-1', exp: 1 }
        const token = await sealOpaque(kit, handle, claims)
        const jti = await sealTokenHandle(kit, handle)
        expect(await openOpaque(kit, token)).toEqual({ handle, claims, kid: null })
        expect(await openTokenHandle(kit, jti)).toEqual(handle)
        expect(await openOpaque(kit, `pa_${jti}`)).toBeNull()
        expect(await openTokenHandle(kit, token.slice(3))).toBeNull()
      }),
    )
  })
})
