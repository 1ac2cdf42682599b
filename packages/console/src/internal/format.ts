/** Numbers and times for people, the same on every machine: UTC, no locale. */

/** `2026-01-05 09:00:00`. */
export function time(ms: number | null | undefined): string {
  return typeof ms === 'number' && Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 19).replace('T', ' ') : '–'
}

/** `12,345`. */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A version id, short enough to read and long enough to compare. */
export function short(version: string | null | undefined): string {
  return version ? version.replace(/^sha256:/, '').slice(0, 12) : '–'
}
