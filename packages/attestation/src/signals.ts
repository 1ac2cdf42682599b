/**
 * signals/v1: what protection code inside the app noticed. Whoever controls the app controls the report, so `true` lowers from anybody,
 * `false` is worth no more than not being missing, and silence is missing.
 */
import type { Appraisal, Binding, EvidenceVerifier, Fact, FactMap } from './evidence.js'
import { carried, exactly, selfReported } from './internal/report.js'

type Runtime = 'device.rooted' | 'device.debugger' | 'device.emulator' | 'device.hooked' | 'device.tampered'

/** The signals behind each runtime fact, first those that must speak for `false`. */
const runtime: Readonly<Record<Runtime, readonly string[]>> = {
  'device.rooted': ['privilegedAccess'],
  'device.debugger': ['debug'],
  'device.emulator': ['simulator'],
  'device.hooked': ['hooks', 'automation'],
  'device.tampered': ['appIntegrity', 'obfuscationIssues'],
}
/** Told by name; rules may speak of them, no runtime fact does. */
const listed = [
  'adbEnabled',
  'unofficialStore',
  'multiInstance',
  'passcode',
  'secureHardwareNotAvailable',
  'systemVPN',
  'devMode',
  'malware',
  'screenshot',
  'screenRecording',
  'timeSpoofing',
  'locationSpoofing',
  'unsecureWifi',
  'deviceID',
  'deviceBinding',
]
const known: ReadonlySet<string> = /* @__PURE__ */ new Set([...Object.values(runtime).flat(), ...listed])
const maxNames = 64
const maxBytes = 8 * 1024

/**
 * The verifier of `signals`: `{ format, v: 1, at, source, signals: { name: boolean | "unknown" } }`, at most 64 names and 8 KiB.
 * `at` is a claim: age counts from arrival. The first signal of a runtime fact must be reported `false` for the fact to be `false`; any of
 * its signals being `true` makes it `true`. Names that nobody knows are malformed: a typing error must not pass for a clean device.
 */
export function signals(): EvidenceVerifier {
  return {
    format: 'signals',
    source: 'signals',
    async verify(evidence, expected, { now }): Promise<Appraisal> {
      const found = read(evidence)
      if (found === 'too_large' || found === null)
        return { source: 'signals', evidence: 'none', facts: {}, issues: [`attestation.${found ?? 'malformed'}`] }
      return { source: 'signals', evidence: 'self-reported', facts: factsOf(found, carried(expected), now), issues: [] }
    },
  }
}

type Report = Readonly<Record<string, boolean | 'unknown'>>

function read(evidence: unknown): Report | 'too_large' | null {
  const item = exactly(evidence, ['format', 'v', 'at', 'source', 'signals'])
  if (item?.['v'] !== 1 || !Number.isSafeInteger(item['at']) || typeof item['source'] !== 'string' || item['source'].length > 64)
    return null
  const report = item['signals']
  if (report === null || typeof report !== 'object' || Array.isArray(report)) return null
  if (JSON.stringify(evidence).length > maxBytes) return 'too_large'
  const entries = Object.entries(report)
  if (entries.length > maxNames) return null
  if (!entries.every(([name, value]) => known.has(name) && (typeof value === 'boolean' || value === 'unknown'))) return null
  return report as Report
}

function factsOf(report: Report, binding: Binding, now: number): Partial<FactMap> {
  const facts: Partial<Record<Runtime, Fact<boolean>>> = {}
  for (const [fact, names] of Object.entries(runtime) as [Runtime, readonly string[]][]) {
    if (names.some((name) => report[name] === true)) facts[fact] = selfReported(true, 'signals', binding, now)
    else if (report[names[0]!] === false && names.every((name) => report[name] === false || report[name] === undefined))
      facts[fact] = selfReported(false, 'signals', binding, now)
  }
  const names = listed.filter((name) => report[name] === true)
  return { ...facts, 'device.signals': selfReported(names, 'signals', binding, now) }
}
