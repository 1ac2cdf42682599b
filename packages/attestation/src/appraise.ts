/**
 * All evidence as one. Per fact: a bad value from anybody wins; a good one needs strength, freshness and binding; a clean self-report is worth
 * not being missing, and only for what nothing can attest. So a lie gains nothing over an honest phone, and silence costs.
 */
import type { Appraisal, Fact, FactMap, Issue, Source, Strength } from './evidence.js'
import { type FactName, placeOf, rankOf, runtimeFacts, worthOf } from './internal/order.js'

export type Platform = 'ios' | 'android' | 'web' | 'other'

/** All evidence as one: per fact the value that counts, with who vouches for it. */
export interface Combined {
  readonly evidence: Strength
  /** Milliseconds: when the oldest fact that counted was made; `null` without any. */
  readonly at: number | null
  readonly now: number
  readonly facts: Readonly<Partial<FactMap>>
  readonly issues: readonly Issue[]
}

/** The facts of the standard mobile schema of policy that evidence speaks to; an absent member is a missing fact. */
export interface PolicyFacts {
  readonly 'app.signature'?: 'match' | 'mismatch' | 'unchecked'
  readonly 'device.integrity.evidence': Strength
  /** Seconds. */
  readonly 'device.integrity.ageSec'?: number
  readonly 'device.integrity.rooted'?: boolean
  readonly 'device.integrity.debugger'?: boolean
  readonly 'device.integrity.emulator'?: boolean
  readonly 'device.integrity.hooked'?: boolean
  readonly 'device.integrity.tampered'?: boolean
  readonly 'device.integrity.bootState'?: 'verified' | 'self-signed' | 'unverified' | 'failed'
  readonly 'device.integrity.keyLevel'?: 'software' | 'tee' | 'strongbox' | 'enclave'
  readonly 'os.version'?: string
  /** yyyymmdd. */
  readonly 'os.patchLevel'?: number
}

type AnyFact = Fact<unknown>
const defaultMaxAgeMs = 24 * 60 * 60 * 1000
const identity: readonly FactName[] = ['app.id', 'app.build', 'os.version']

/**
 * Combines appraisals: commutative, associative, idempotent.
 * @param o - `maxAgeMs`: how old a source's good values may be, default 24 h each; bad values do not age away
 */
export function combine(
  all: readonly Appraisal[],
  o: { readonly now: number; readonly maxAgeMs: Partial<Record<Source, number>>; readonly platform: Platform },
): Combined {
  const said = gather(all)
  const fresh = ({ at, source }: AnyFact): boolean => at <= o.now && o.now - at <= (o.maxAgeMs[source] ?? defaultMaxAgeMs)
  const facts: Partial<Record<FactName, AnyFact>> = {}
  for (const [name, found] of said) {
    const counted =
      name === 'device.signals'
        ? listed(found)
        : choose(
            name,
            found.filter((fact) => fresh(fact) || worthOf(name, fact.value) === 'bad'),
          )
    if (counted) facts[name] = counted
  }
  // Every report's labels are asked, not the chosen one's alone: else to withhold a report without the label would raise the device.
  const labels = said.get('device.recognition')?.filter((fact) => fresh(fact) && recognised(fact)) ?? []
  const sound = o.platform === 'android' ? soundBoot(facts, choose('device.recognition', labels)) : null
  if (sound && (!facts['device.rooted'] || better('device.rooted', sound, facts['device.rooted']) > 0))
    facts['device.rooted'] = sound
  const lies = contradiction(said, facts, fresh)
  if (lies) facts['device.tampered'] = facts['device.tampered']?.value === true ? facts['device.tampered'] : lies
  const signature = facts['app.signature']
  const reported = [...said.values()].flat().some((fact) => fact.source === 'signals' && fresh(fact) && bound(fact))
  const evidence = signature?.value === 'match' && !lies ? signature.strength : reported ? 'self-reported' : 'none'
  const ages = Object.entries(facts).flatMap(([name, fact]) =>
    name === 'device.signals' || worthOf(name as FactName, fact.value) === 'bad' ? [] : [fact.at],
  )
  return {
    evidence,
    at: ages.length === 0 ? null : Math.min(...ages),
    now: o.now,
    facts: facts as Partial<FactMap>,
    issues: [...new Set(all.flatMap(({ issues }) => issues))].sort(),
  }
}

/** The facts under the names of policy. */
export function policyFacts({ evidence, at, now, facts }: Combined): PolicyFacts {
  const named: [string, unknown][] = [
    ['app.signature', facts['app.signature']?.value],
    ['device.integrity.ageSec', at === null ? undefined : Math.floor((now - at) / 1000)],
    ...(['rooted', 'debugger', 'emulator', 'hooked', 'tampered', 'bootState', 'keyLevel'] as const).map(
      (name): [string, unknown] => [`device.integrity.${name}`, facts[`device.${name}`]?.value],
    ),
    ['os.version', facts['os.version']?.value],
    ['os.patchLevel', facts['os.patchLevel']?.value],
  ]
  return {
    'device.integrity.evidence': evidence,
    ...Object.fromEntries(named.filter(([, value]) => value !== undefined)),
  } as PolicyFacts
}

function gather(all: readonly Appraisal[]): Map<FactName, AnyFact[]> {
  const said = new Map<FactName, AnyFact[]>()
  for (const { facts } of all)
    for (const [name, fact] of Object.entries(facts) as [FactName, AnyFact][]) said.set(name, [...(said.get(name) ?? []), fact])
  return said
}

function choose(name: FactName, found: readonly AnyFact[]): AnyFact | null {
  const counting = found.filter((fact) => counts(name, fact))
  return counting.reduce<AnyFact | null>((best, fact) => (best === null || better(name, fact, best) > 0 ? fact : best), null)
}

/** Whether a value may count at all. */
function counts(name: FactName, fact: AnyFact): boolean {
  const worth = worthOf(name, fact.value)
  if (worth === 'bad') return true
  if (!bound(fact) || fact.strength === 'none') return false
  if (worth === 'neutral') return name === 'app.signature' || rankOf(fact.strength) >= rankOf('vendor')
  if (rankOf(fact.strength) >= rankOf('vendor')) return name !== 'device.keyLevel' || fact.binding.deviceKey === 'is-the-key'
  return runtimeFacts.includes(name)
}

/** To the challenge, so that it is not replayed; and to the key, so that it is not another device's. */
function bound({ binding }: AnyFact): boolean {
  return binding.challenge && binding.deviceKey !== 'none'
}

/** A total order, so that no order of arrival matters: bad wins, the worst of them; then strength, then value, then the youngest. */
function better(name: FactName, a: AnyFact, b: AnyFact): number {
  const worths = { neutral: 0, good: 1, bad: 2 }
  const [x, y] = [worthOf(name, a.value), worthOf(name, b.value)]
  if (x !== y) return worths[x] - worths[y]
  const place = placeOf(name, a.value) - placeOf(name, b.value)
  if (x === 'bad' && place !== 0) return -place
  const [p, q] = [JSON.stringify([a.value, a.source, a.binding]), JSON.stringify([b.value, b.source, b.binding])]
  return rankOf(a.strength) - rankOf(b.strength) || place || a.at - b.at || (p < q ? -1 : p > q ? 1 : 0)
}

/** Every name that any report lists, whoever reports it: names only ever lower. */
function listed(found: readonly AnyFact[]): AnyFact {
  const names = [...new Set(found.flatMap((fact) => fact.value as readonly string[]))].sort()
  return { ...found.reduce((best, fact) => (better('device.signals', fact, best) > 0 ? fact : best)), value: names }
}

/** A verified, locked boot speaks against root with its own strength; a vendor's label for a sound device does at `vendor`. */
function soundBoot(facts: Partial<Record<FactName, AnyFact>>, label: AnyFact | null): Fact<boolean> | null {
  const [state, locked] = [facts['device.bootState'], facts['device.bootLocked']]
  if (state?.value === 'verified' && locked?.value === true) {
    const weaker = rankOf(state.strength) <= rankOf(locked.strength) ? state : locked
    return { ...weaker, value: false, at: Math.min(state.at, locked.at) }
  }
  return label && { ...label, value: false, strength: 'vendor' }
}

function recognised({ value }: AnyFact): boolean {
  return (value as readonly string[]).some((label) => label === 'device' || label === 'strong')
}

/** Two attested sources that name different apps, builds or systems; or a report that denies an attested signature. */
function contradiction(
  said: ReadonlyMap<FactName, readonly AnyFact[]>,
  facts: Partial<Record<FactName, AnyFact>>,
  fresh: (fact: AnyFact) => boolean,
): Fact<boolean> | null {
  const attested = (name: FactName): readonly AnyFact[] =>
    (said.get(name) ?? []).filter((fact) => fresh(fact) && bound(fact) && rankOf(fact.strength) >= rankOf('vendor'))
  const differing = identity.map(attested).find((found) => new Set(found.map(({ value }) => value)).size > 1)
  const denied = facts['app.signature']?.value === 'mismatch' && attested('app.signature').some(({ value }) => value === 'match')
  const source =
    differing?.reduce((best, fact) => (better('app.id', fact, best) > 0 ? fact : best)) ??
    (denied ? facts['app.signature']! : null)
  return source && { ...source, value: true }
}
