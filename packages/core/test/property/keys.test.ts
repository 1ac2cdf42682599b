import { createCrypto } from '@postern/core/crypto'
import { readJws, signJws, verifyJws } from '@postern/core/jws'
import { createKeyRingDocument, type KeyRingDocument, openKeyRing, rotateKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { RUNS, seeded } from '../support.js'

const crypto = createCrypto()
const random = seeded('keys')
const start = 1_800_000_000_000
const scopeOf = fc.record({
  type: fc.string({ maxLength: 5 }),
  tenant: fc.string({ maxLength: 5 }),
  issuer: fc.string({ maxLength: 5 }),
  purpose: fc.string({ maxLength: 5 }),
})
const ring = await openKeyRing(await createKeyRingDocument({ clock: () => start, random, crypto }), crypto)
const sealer = createSealer({ ring: ring.long, crypto, random, clock: () => start })

it('any bit flip of a sealed value opens to null', () =>
  fc.assert(
    fc.asyncProperty(
      scopeOf,
      fc.uint8Array({ maxLength: 60 }),
      fc.nat(),
      fc.nat(7),
      fc.boolean(),
      async (scope, plaintext, at, bit, deterministic) => {
        const sealed = await (deterministic ? sealer.sealDeterministic(scope, plaintext) : sealer.seal(scope, plaintext))
        expect(await sealer.open(scope, sealed)).toEqual(plaintext)
        sealed[at % sealed.length]! ^= 1 << bit
        expect(await sealer.open(scope, sealed)).toBeNull()
      },
    ),
    { numRuns: RUNS },
  ))

it('every single bit of one sealed value matters', async () => {
  const scope = { type: 'a', tenant: 'b', issuer: 'c', purpose: 'd' }
  const sealed = await sealer.seal(scope, random(3))
  for (let at = 0; at < sealed.length * 8; at++)
    expect(
      await sealer.open(
        scope,
        sealed.map((byte, i) => (i === at >> 3 ? byte ^ (1 << (at & 7)) : byte)),
      ),
    ).toBeNull()
})

it('T20 scopes that differ anywhere do not open each other, whatever their lengths', () =>
  fc.assert(
    fc.asyncProperty(scopeOf, scopeOf, async (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b)
      expect((await sealer.open(b, await sealer.seal(a, random(8)))) !== null).toBe(same)
    }),
    { numRuns: RUNS },
  ))

it('the deterministic mode gives the same bytes for the same input, other ivs for any other', () =>
  fc.assert(
    fc.asyncProperty(scopeOf, scopeOf, fc.uint8Array({ maxLength: 9 }), fc.uint8Array({ maxLength: 9 }), async (a, b, x, y) => {
      const [first, again, other] = [
        await sealer.sealDeterministic(a, x),
        await sealer.sealDeterministic(a, x),
        await sealer.sealDeterministic(b, y),
      ]
      expect(again).toEqual(first)
      const same = JSON.stringify([a, [...x]]) === JSON.stringify([b, [...y]])
      expect(first.subarray(5, 29).join() === other.subarray(5, 29).join()).toBe(same)
    }),
    { numRuns: RUNS },
  ))

interface Step {
  readonly wait: number
  readonly node: 0 | 1
  readonly act: 'rotate' | 'use' | 'fetch'
}
const step: fc.Arbitrary<Step> = fc.record({
  wait: fc.oneof(fc.constantFrom(0, 59_999, 60_000, 299_999, 300_000), fc.nat(400_000), fc.nat(4_000_000)),
  node: fc.constantFrom(0, 1),
  act: fc.constantFrom('rotate', 'use', 'use', 'use', 'fetch'),
})

/** The tightest case: a key set fetched from the other node just before it learns of the rotation, used until the last moment. */
const tightest = (rotator: 0 | 1, user: 0 | 1): Step[] => [
  { wait: 60_000, node: rotator, act: 'rotate' },
  { wait: 59_999, node: rotator, act: 'fetch' },
  { wait: 299_999, node: user, act: 'use' },
]

/**
 * Two nodes, clocks 30 s apart, each reading the stored document as late as 60 s after a write; a verifier that keeps the key set of whichever
 * node it asked for 300 s. Tokens are verified at once and 5 minutes later.
 */
it('T46 T47 rotations by two nodes never yield a token that a verifier who honours publication cannot verify', async () => {
  const first = await createKeyRingDocument({ clock: () => start, random, crypto })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, ahead) => {
      const skew = [0, ahead ? 30_000 : -30_000] as const
      let stored: KeyRingDocument = first
      let writtenAt = start
      let previous: KeyRingDocument = first
      let keySet = { fetchedAt: Number.NEGATIVE_INFINITY, kids: [] as readonly string[] }
      let now = start
      // The writer knows its own write; the other still holds the document before it for as long as it may.
      let writer = 0
      const held = (node: 0 | 1): KeyRingDocument => (node === writer || now >= writtenAt + 60_000 ? stored : previous)
      for (const { wait, node, act } of steps) {
        now += wait
        const clock = now + skew[node]
        if (act === 'rotate') {
          // A conditional write: it starts from what is stored, not from what the node held.
          if (now < writtenAt + 60_000) continue
          previous = stored
          stored = await rotateKeyRing(stored, now % 2 === 0 ? 'signing' : 'short', { clock: () => clock, random, crypto })
          writtenAt = now
          writer = node
        }
        const mine = await openKeyRing(held(node), crypto)
        const other = await openKeyRing(held(node === 0 ? 1 : 0), crypto)
        const otherClock = now + skew[node === 0 ? 1 : 0]
        if (act === 'fetch' || now >= keySet.fetchedAt + 300_000)
          keySet = { fetchedAt: now, kids: other.signing.published(otherClock).map(({ kid }) => kid) }
        const { kid, signer } = mine.signing.active(clock)
        expect(keySet.kids).toContain(kid)
        const there = other.signing.find(kid, otherClock)
        expect(there).not.toBeNull()
        expect(other.signing.find(kid, otherClock + 300_000)).not.toBeNull()
        const text = await signJws(signer, { typ: 'at+jwt', kid }, { now })
        expect({
          ...(await verifyJws(
            crypto,
            readJws(text, { algs: ['ES256'], typ: ['at+jwt'] }),
            await crypto.verifyKey('ES256', there!.signer.publicJwk),
          )),
        }).toEqual({ now })
        const seal = mine.short.active(clock).kid
        expect(other.short.find(seal, otherClock)).not.toBeNull()
        expect(other.short.find(seal, otherClock + 1_800_000)).not.toBeNull()
      }
    }),
    {
      numRuns: RUNS,
      examples: ([0, 1] as const).flatMap((a) =>
        ([0, 1] as const).flatMap((b): [Step[], boolean][] => [
          [tightest(a, b), true],
          [tightest(a, b), false],
        ]),
      ),
    },
  )
})
