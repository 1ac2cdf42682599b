/** Rows as the clients return them: integers as text, number or bigint, bytes as a Uint8Array or as `\x` and hexadecimal. */
import type { Kept } from '../judge.js'

/** An answer's row, by column name. */
export type Row = Readonly<Record<string, unknown>>

/** The record in a row, with bytes of its own; `null` where the row shows that there is none. */
export function keptOf({ v, r, n, x }: Row, key: string): Kept | null {
  if (r === null || r === undefined) return null
  return { key, value: bytesOf(v), n: Number(n), rev: r as string, expiresAt: Number(x) }
}

function bytesOf(v: unknown): Uint8Array {
  if (typeof v !== 'string') return new Uint8Array(v as Uint8Array)
  const bytes = new Uint8Array((v.length - 2) >> 1)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (nibble(v.charCodeAt(2 * i + 2)) << 4) | nibble(v.charCodeAt(2 * i + 3))
  return bytes
}

/** The value of a hexadecimal digit in lower case, as PostgreSQL writes them. */
function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87
}
