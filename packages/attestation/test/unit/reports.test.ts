import { combine, policyFacts } from '@postern/attestation/appraise'
import { appSignature, certificateDigest } from '@postern/attestation/appSignature'
import { type Appraisal, type Expected, parseEvidence, verifyEvidence } from '@postern/attestation/evidence'
import { signals } from '@postern/attestation/signals'
import type { JsonValue } from '@postern/core/json'
import { describe, expect, it } from 'vitest'

const digest = 'ab'.repeat(32)
const other = 'cd'.repeat(32)
const now = 1_800_000_000_000
const expected: Expected = {
  issuer: 'https://gate.example',
  tenant: 'bank',
  app: { id: 'retail', certificates: [`${'AB:'.repeat(31)}AB`], teams: ['ABCDE12345'], bundles: ['example.retail'] },
  challenge: new Uint8Array(32),
  deviceKey: {},
  purpose: 'register',
  carrier: { challenge: true, deviceKey: true },
}
const clean = { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false }
const report = (names: object, more: object = {}) => ({
  format: 'signals',
  v: 1,
  at: now,
  source: 'test',
  signals: names,
  ...more,
})
const verify = (item: unknown, e: Expected = expected) =>
  ((item as { format: string }).format === 'signals' ? signals() : appSignature()).verify(item, e, { now })
const facts = async (items: readonly unknown[], e: Expected = expected) =>
  policyFacts(combine(await Promise.all(items.map((item) => verify(item, e))), { now, maxAgeMs: {}, platform: 'other' }))

describe('app signature', () => {
  it('a self-reported match is unchecked, a mismatch is a fact', async () => {
    expect((await facts([{ format: 'app-signature', certificates: [digest] }]))['app.signature']).toBe('unchecked')
    expect((await facts([{ format: 'app-signature', certificates: [other] }]))['app.signature']).toBe('mismatch')
    expect((await facts([{ format: 'app-signature', team: 'ABCDE12345', bundle: 'example.retail' }]))['app.signature']).toBe(
      'unchecked',
    )
    expect((await facts([{ format: 'app-signature', team: 'ABCDE12345', bundle: 'example.other' }]))['app.signature']).toBe(
      'mismatch',
    )
  })

  it('any registered certificate of the lineage will do', async () => {
    expect((await facts([{ format: 'app-signature', certificates: [other, digest] }]))['app.signature']).toBe('unchecked')
  })

  it('a report bound to nothing leaves the signature missing, but its mismatch counts', async () => {
    const { carrier: _, ...unbound } = expected
    expect((await facts([{ format: 'app-signature', certificates: [digest] }], unbound))['app.signature']).toBeUndefined()
    expect((await facts([{ format: 'app-signature', certificates: [other] }], unbound))['app.signature']).toBe('mismatch')
  })

  it.each([
    { format: 'app-signature' },
    { format: 'app-signature', certificates: [] },
    { format: 'app-signature', certificates: [digest.toUpperCase()] },
    { format: 'app-signature', certificates: [digest], team: 'ABCDE12345' },
    { format: 'app-signature', certificates: new Array(17).fill(digest) },
    { format: 'app-signature', certificates: 'ab' },
    { format: 'app-signature', team: 'abc', bundle: 'example' },
  ])('malformed evidence is no evidence: %j', async (item) => {
    expect(await verify(item)).toEqual({
      source: 'app-signature',
      evidence: 'none',
      facts: {},
      issues: ['attestation.malformed'],
    })
  })

  it('digests are read as keytool and apksigner print them', () => {
    expect(certificateDigest(`${'AB:'.repeat(31)}AB`)).toBe(digest)
    expect(certificateDigest('ab')).toBeNull()
  })
})

describe('signals', () => {
  it('a clean bound report gives false, which is all it gives', async () => {
    expect(await facts([report(clean)])).toEqual({
      'device.integrity.evidence': 'self-reported',
      'device.integrity.ageSec': 0,
      'device.integrity.rooted': false,
      'device.integrity.debugger': false,
      'device.integrity.emulator': false,
      'device.integrity.hooked': false,
      'device.integrity.tampered': false,
    })
  })

  it('one true signal lowers, whatever the others of its fact say', async () => {
    expect((await facts([report({ ...clean, automation: true })]))['device.integrity.hooked']).toBe(true)
    expect((await facts([report({ ...clean, obfuscationIssues: true })]))['device.integrity.tampered']).toBe(true)
  })

  it('listed names reach nobody as runtime facts', async () => {
    const a = await verify(report({ ...clean, adbEnabled: true, screenshot: true }))
    expect(a.facts['device.signals']?.value).toEqual(['adbEnabled', 'screenshot'])
    expect(a.facts['device.debugger']?.value).toBe(false)
  })

  it('A22 signals absent, unknown, unbound or stale leave every runtime fact missing', async () => {
    expect(await facts([])).toEqual({ 'device.integrity.evidence': 'none' })
    expect((await facts([report({ ...clean, privilegedAccess: 'unknown' })]))['device.integrity.rooted']).toBeUndefined()
    expect((await facts([report({ ...clean, hooks: false, automation: 'unknown' })]))['device.integrity.hooked']).toBeUndefined()
    const { carrier: _, ...unbound } = expected
    expect(await facts([report(clean)], unbound)).toEqual({ 'device.integrity.evidence': 'none' })
    const old = await signals().verify(report(clean), expected, { now: now - 3_600_001 })
    expect(policyFacts(combine([old], { now, maxAgeMs: { signals: 3_600_000 }, platform: 'ios' }))).toEqual({
      'device.integrity.evidence': 'none',
    })
  })

  it('A22 a replayed clean report does not wash out what another report says', async () => {
    const seen = await facts([report(clean), report({ ...clean, privilegedAccess: true })])
    expect(seen['device.integrity.rooted']).toBe(true)
  })

  it.each([
    ['65 names', report(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`n${i}`, false])))],
    ['numbers', report({ privilegedAccess: 0 })],
    ['a name nobody knows', report({ rooted: false })],
    ['another version', report(clean, { v: 2 })],
    ['a further member', report(clean, { extra: 1 })],
    ['no time', report(clean, { at: 'now' })],
    ['an array', report([] as unknown as object)],
  ])('%s is malformed', async (_, item) => {
    expect((await verify(item)).issues).toEqual(['attestation.malformed'])
  })
})

describe('evidence[]', () => {
  const item = { format: 'signals' }
  it('takes at most four objects with a format, one of each', () => {
    expect(parseEvidence(undefined)).toEqual({ items: [], issues: [] })
    expect(parseEvidence([item, { format: 'app-signature' }]).items).toHaveLength(2)
    for (const bad of [
      [item, item],
      ['x'],
      [null],
      [{}],
      [{ format: 'UPPER' }],
      {},
      'x',
      null,
      ['a', 'b', 'c', 'd', 'e'].map((format) => ({ format })),
    ])
      expect(parseEvidence(bad)).toEqual({ items: [], issues: ['attestation.malformed'] })
    expect(parseEvidence([{ format: 'big', blob: 'x'.repeat(65_536) }]).issues).toEqual(['attestation.too_large'])
  })

  it('an unknown format counts for nothing, with an issue', async () => {
    const found = await verifyEvidence(
      parseEvidence([{ format: 'moon' }, report(clean) as unknown as JsonValue]),
      [signals()],
      expected,
      { now },
    )
    expect(found.issues).toEqual(['attestation.format_unsupported'])
    expect(found.appraisals.map(({ source }) => source)).toEqual(['signals'])
  })
})

it('of several bad values the worst counts, whatever its strength', () => {
  const binding = { challenge: true, deviceKey: 'is-the-key', request: false } as const
  const said = (value: 'failed' | 'self-signed' | 'unverified', strength: 'vendor' | 'hardware'): Appraisal => ({
    source: 'key-attestation',
    evidence: strength,
    facts: { 'device.bootState': { value, strength, at: now, binding, source: 'key-attestation' } },
    issues: [],
  })
  const all = [said('self-signed', 'hardware'), said('failed', 'vendor'), said('unverified', 'hardware')]
  expect(combine(all, { now, maxAgeMs: {}, platform: 'android' }).facts['device.bootState']?.value).toBe('failed')
})
