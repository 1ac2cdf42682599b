/**
 * Dotted versions: up to four numeric parts, then an optional pre-release (Semantic Versioning 2.0.0 §11). `16` = `16.0`, `5.10` > `5.9`.
 * Two ordered doubles hold the four parts, 26 bits each, so that comparing is arithmetic.
 */

/** A parsed version: parts one and two in `hi`, three and four in `lo`; `pre` is `null` for a release. */
export interface Version {
  readonly hi: number
  readonly lo: number
  readonly pre: string | null
}

const PART = 2 ** 26
const SHAPE = /^(\d{1,8})(?:\.(\d{1,8}))?(?:\.(\d{1,8}))?(?:\.(\d{1,8}))?(?:-([0-9A-Za-z.-]{1,64}))?(?:\+[0-9A-Za-z.-]{1,64})?$/
const NUMERIC = /^(?:0|[1-9]\d*)$/

/** The version a text names, or `null`: more than four parts, a part ≥ 2^26, a leading `v`, a leading zero, a code name. Build metadata is dropped. */
export function parseVersion(text: string): Version | null {
  const found = SHAPE.exec(text)
  if (!found) return null
  const [, a, b, c, d] = found.map((part) => (part === undefined ? 0 : Number(part))) as number[]
  if (found.slice(1, 5).some((part) => part !== undefined && part.length > 1 && part.startsWith('0'))) return null
  if (a! >= PART || b! >= PART || c! >= PART || d! >= PART) return null
  const pre = found[5] ?? null
  if (pre !== null && !pre.split('.').every((id) => id !== '' && (NUMERIC.test(id) || /[A-Za-z-]/.test(id)))) return null
  return { hi: a! * PART + b!, lo: c! * PART + d!, pre }
}

/** Negative, zero or positive, as for `sort`. */
export function compareVersions(a: Version, b: Version): number {
  return a.hi - b.hi || a.lo - b.lo || comparePre(a.pre, b.pre)
}

/** The canonical text: trailing zero parts beyond the second dropped. */
export function formatVersion(v: Version): string {
  const parts = [Math.floor(v.hi / PART), v.hi % PART, Math.floor(v.lo / PART), v.lo % PART]
  while (parts.length > 2 && parts[parts.length - 1] === 0) parts.pop()
  return parts.join('.') + (v.pre === null ? '' : `-${v.pre}`)
}

/** The least version above: what turns every bound into "at least", so that no two bounds enclose nothing. */
export function nextVersion(v: Version, prerelease: boolean): Version {
  if (v.pre !== null) return { ...v, pre: `${v.pre}.0` }
  const full = v.lo === PART * PART - 1
  return { hi: full ? v.hi + 1 : v.hi, lo: full ? 0 : v.lo + 1, pre: prerelease ? '0' : null }
}

/** SemVer §11.4: numeric identifiers by value and below the others, these by ASCII; fewer identifiers first; a release last. */
function comparePre(a: string | null, b: string | null): number {
  if (a === b) return 0
  if (a === null || b === null) return a === null ? 1 : -1
  const [left, right] = [a.split('.'), b.split('.')]
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [x, y] = [left[i]!, right[i]!]
    if (x === y) continue
    const [nx, ny] = [NUMERIC.test(x), NUMERIC.test(y)]
    if (nx !== ny) return nx ? -1 : 1
    // By length first: digits beyond 2^53 have an order, too.
    if (nx && x.length !== y.length) return x.length - y.length
    return x < y ? -1 : 1
  }
  return left.length - right.length
}
