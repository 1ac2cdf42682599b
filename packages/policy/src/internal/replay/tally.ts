/** Counting what a version would have changed. */
import type { Decision, Outcome } from '../../evaluate.js'
import type { Impact } from '../../replay.js'

export interface Tally {
  readonly decided: (was: Outcome, now: Decision) => void
  readonly undetermined: (facts: readonly string[]) => void
  readonly unreadable: () => void
  readonly impact: () => Impact
}

export function newTally(): Tally {
  let [same, undetermined, unreadable] = [0, 0, 0]
  const pairs = new Map<
    string,
    { readonly from: Outcome; readonly to: Outcome; count: number; readonly rules: Map<string, number> }
  >()
  const facts = new Map<string, number>()
  const more = (into: Map<string, number>, key: string): unknown => into.set(key, (into.get(key) ?? 0) + 1)
  return {
    decided(from, { outcome: to, matched }) {
      if (from === to) {
        same++
        return
      }
      const pair = pairs.get(`${from} ${to}`) ?? { from, to, count: 0, rules: new Map() }
      pair.count++
      for (const id of matched) more(pair.rules, id)
      pairs.set(`${from} ${to}`, pair)
    },
    undetermined(lacking) {
      undetermined++
      for (const name of lacking) more(facts, name)
    },
    unreadable() {
      undetermined++
      unreadable++
    },
    impact() {
      const changed = [...pairs.values()]
        .sort((a, b) => b.count - a.count || (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1))
        .map(({ rules, ...pair }) => ({ ...pair, rules: Object.fromEntries([...rules].sort()) }))
      const total = same + undetermined + changed.reduce((sum, { count }) => sum + count, 0)
      return {
        total,
        same,
        changed,
        undetermined: { count: undetermined, facts: Object.fromEntries([...facts].sort()), unreadable },
      }
    },
  }
}
