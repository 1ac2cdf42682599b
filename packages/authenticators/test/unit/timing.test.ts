/// <reference types="node" />
/**
 * A06 as Welch's t: reported, never gating, since a shared machine proves nothing. A few begins by default, so that the measurement itself stays
 * sound; `POSTERN_TIMING=10000` sets the number of begins of each kind.
 */
import { type Ceremony, runBegin } from '@postern/authenticators/authenticator'
import type { PinSlot } from '@postern/authenticators/pin/client'
import { ke1Statement, pinContext } from '@postern/authenticators/pin/messages'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromHex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { createWorld, type Device, issuer, random } from '../world.js'

const runs = Number(process.env['POSTERN_TIMING'] ?? 20)
const BASE = fromHex('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76')!

describe('A06 timing', () => {
  it.each([
    ['unknown device', 'wrong key'],
    ['locked enrolment', 'wrong key'],
    ['no such enrolment', 'wrong PIN'],
  ] as const)('%s against %s', { timeout: 1_800_000 }, async (left, right) => {
    const w = createWorld({ maxAttempts: 10, maxFailures: 100 })
    const [d, stranger] = [await w.device('d1'), await w.device('d2')]
    const shared = await w.withPin(d, '27182')
    const times = new Map<string, number[]>([
      [left, []],
      [right, []],
    ])
    for (let i = 0; i < runs; i++) {
      const real = right === 'wrong key' ? shared : await w.withPin(d, '27182') // whoever cannot sign spends nothing
      for (const kind of i % 2 === 0 ? [left, right] : [right, left]) {
        const slot = kind === 'no such enrolment' ? { ...real, enrolment: `${i}`.padStart(32, '0') } : real
        const { c, input } = await ready(slot, kind)
        const start = performance.now()
        await runBegin(w.pin, c, input, { runtime: w.runtime })
        times.get(kind)!.push(performance.now() - start)
      }
    }
    const { t, means } = welch(times.get(left)!, times.get(right)!)
    const us = means.map((ms) => Number((ms * 1000).toFixed(1)))
    console.log(JSON.stringify({ case: `timing.${left} / ${right}`, n: runs, t: Number(t.toFixed(2)), us }))
    expect(Number.isFinite(t)).toBe(true)

    async function ready(slot: PinSlot, kind: string): Promise<{ c: Ceremony; input: unknown }> {
      const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
      const ke1 = new Uint8Array(96)
      ke1.set(BASE, 0)
      ke1.set(random(32), 32)
      ke1.set(BASE, 64)
      const { enrolment, generation } = slot
      const context = pinContext({
        issuer,
        tenant: 'bank',
        app: 'retail',
        device: 'd1',
        enrolment,
        generation,
        purpose: 'login',
        bind: null,
      })
      const signer: Device = right === 'wrong key' ? stranger : d
      const signature = await signer.signer.sign(ke1Statement(context, decodeBase64url((step as { nonce: string }).nonce)!, ke1))
      const input = { ke1: encodeBase64url(ke1), signature: encodeBase64url(signature) }
      const c = await w.ceremony(d, 'login', enrolment, { handle, ...(kind === 'unknown device' ? { device: null } : {}) })
      if (kind !== 'locked enrolment') return { c, input }
      const { value } = c.enrolment!
      return { c: { ...c, enrolment: { ...c.enrolment!, value: { ...value!, status: 'locked', cause: 'attempts' } } }, input }
    }
  })
})

/** Welch's t over the middle 90 % of each, for a pause of the collector is no signal. */
function welch(a: number[], b: number[]): { readonly t: number; readonly means: readonly number[] } {
  const [x, y] = [a, b].map((all) => {
    const kept = [...all].sort((p, q) => p - q).slice(Math.floor(all.length * 0.05), Math.ceil(all.length * 0.95))
    const mean = kept.reduce((sum, v) => sum + v, 0) / kept.length
    return { mean, part: kept.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (kept.length - 1) / kept.length }
  })
  return { t: (x!.mean - y!.mean) / Math.sqrt(x!.part + y!.part), means: [x!.mean, y!.mean] }
}
