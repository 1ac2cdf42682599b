/** What scoring reads about everybody: how common a value is among all users. `null` in its place means that nobody else is known. */

/** A frozen view for scoring. Keys are the 32-bit keyed hashes of the risk model. */
export interface View {
  /** Logins, of all users, that had `key` at the level `feature`; `key` 0 is every login that had the level at all. */
  popularity(feature: number, key: number): number
}
