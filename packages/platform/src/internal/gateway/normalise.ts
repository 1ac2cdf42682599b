/** One reading of a path. What two servers could read differently is refused before anything is routed, never repaired. */

/** A path that every server reads alike, or why it is none. */
export type Normalised = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly why: string }

/**
 * Judges the path of a request target (without its query).
 * @see RFC 3986 §6.2.2; platform.md §3.7 step 2
 */
export function normalisePath(path: string): Normalised {
  if (!path.startsWith('/')) return no('not absolute')
  if (path.length > 2048) return no('too long')
  if (/[\x00-\x20\x7f\\]/.test(path)) return no('control character, space or backslash')
  if (/%(2f|5c|00|25)/i.test(path)) return no('encoded separator, NUL or percent')
  if (/%(?![0-9a-f]{2})/i.test(path)) return no('broken percent escape')
  if (path.includes('//')) return no('empty segment')
  if (path.includes(';')) return no('path parameter')
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return no('percent bytes that are not UTF-8')
  }
  if (decoded.split('/').some((segment) => segment === '.' || segment === '..')) return no('dot segment')
  return { ok: true, path }
}

/**
 * The same path as a laxer server might read it: decoded once more, trailing slash dropped, both. Case is folded by whoever compares.
 * When one of these selects another route, the request is refused: a lax route must not open a strict one.
 */
export function otherReadings(path: string): readonly string[] {
  const both = [path, decodeURIComponent(path)]
  const bare = both.map((one) => (one.length > 1 && one.endsWith('/') ? one.slice(0, -1) : one))
  return [...new Set([...both, ...bare])].filter((other) => other !== path)
}

function no(why: string): Normalised {
  return { ok: false, why }
}
