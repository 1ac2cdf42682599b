/** What stands between a draft and the head, and what was waived of it. */
import { fromUtf8 } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import type { JsonValue } from '@postern/core/json'
import { analyse, type InstalledClass } from '../analyse.js'
import { type Compiled, compile } from '../compile.js'
import type { Fixture } from '../document.js'
import type { FixtureReport } from '../fixtures.js'
import type { Finding, Waiver } from '../publish.js'

export const defaultSteps = 100_000

interface Bounds {
  readonly steps?: number
  readonly installed?: readonly InstalledClass[]
}

/** What analysis finds, as the gate reports it. */
export function analysed(p: Compiled, { steps = defaultSteps, installed }: Bounds): readonly Finding[] {
  return analyse(p, { steps, ...(installed ? { installed } : {}) }).findings.map(({ witness, ...finding }) => ({
    ...finding,
    ...(witness === null ? {} : { witness }),
    waived: null,
  }))
}

/** Examples of the document that do not come out as they should. */
export function failing(fixtures: readonly Fixture[], results: FixtureReport['results']): readonly Finding[] {
  return results.flatMap(({ name, ok, got, cause, reason }, i) =>
    ok
      ? []
      : [
          {
            kind: 'fixture',
            severity: 'error',
            at: `/fixtures/${i}`,
            text:
              got === null
                ? `${name}: it names a fact that the schema does not have, or no action.`
                : `${name}: got ${got} (${cause}, ${reason}).`,
            fingerprint: JSON.stringify(['fixture', fromUtf8(canonicalJson(fixtures[i] as unknown as JsonValue))]),
            waived: null,
          } as const,
        ],
  )
}

/** Of the devices that could log in by no means, those that could under the version in force; all of them where nobody can tell. */
export function lockedOut(all: readonly Finding[], now: Compiled | null, bounds: Bounds): readonly Finding[] {
  const out = all.filter(({ kind }) => kind === 'lock-out')
  if (now === null || out.length === 0) return out
  const invariants = out.map(({ box }) => ({ never: 'allow', when: { ...box, action: 'login' } }) as const)
  // Asked of the version in force as what it must never allow.
  const broken = analysed(compile(now.schema, { ...now.document, invariants }), bounds).filter(({ kind }) => kind === 'invariant')
  return out.filter((_, i) => broken.some(({ at }) => at === `/invariants/${i}`))
}

/** The same findings, each with the waiver that names it. */
export function waive(findings: readonly Finding[], waivers: readonly Waiver[]): readonly Finding[] {
  return findings.map((finding) => ({
    ...finding,
    waived: waivers.find(({ fingerprint }) => fingerprint === finding.fingerprint) ?? null,
  }))
}
