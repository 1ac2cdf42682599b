/** Looking values up in a profile. A plain loop: 48 entries at most, asked for some twenty times a login. */
import type { Entry } from '../profile.js'

/** Where a value stands among the entries, −1 for nowhere. */
export function indexOf(entries: readonly Entry[], feature: number, key: number): number {
  for (let i = 0; i < entries.length; i++) if (entries[i]!.key === key && entries[i]!.feature === feature) return i
  return -1
}

/** The key touched last at a feature: it stands first. */
export function lastKey(entries: readonly Entry[], feature: number): number | null {
  for (let i = 0; i < entries.length; i++) if (entries[i]!.feature === feature) return entries[i]!.key
  return null
}
