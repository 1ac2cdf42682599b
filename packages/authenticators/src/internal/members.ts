/** Members of an app's message: exactly those named, canonical base64url of an exact or bounded length. */
import { decodeBase64url } from '@postern/core/base64url'

/** Bytes by member, or `null` when anything is missing, more than asked for, or of another size. */
export function readMembers<const S extends Readonly<Record<string, number | readonly [number, number]>>>(
  input: unknown,
  sizes: S,
): { readonly [K in keyof S]: Uint8Array } | null {
  if (typeof input !== 'object' || input === null) return null
  const names = Object.keys(sizes)
  if (Object.keys(input).length !== names.length) return null
  const out: Record<string, Uint8Array> = {}
  for (const name of names) {
    const text = (input as Record<string, unknown>)[name]
    const [min, max] = typeof sizes[name] === 'number' ? [sizes[name], sizes[name]] : (sizes[name] as readonly [number, number])
    if (!Object.hasOwn(input, name) || typeof text !== 'string' || text.length > Math.ceil((max * 4) / 3)) return null
    const bytes = decodeBase64url(text)
    if (bytes === null || bytes.length < min || bytes.length > max) return null
    out[name] = bytes
  }
  return out as { readonly [K in keyof S]: Uint8Array }
}

/** Whether a message has a member of this name. */
export function has(input: unknown, name: string): boolean {
  return typeof input === 'object' && input !== null && Object.hasOwn(input, name)
}

/** `{code}` and nothing else; the text itself is judged only after it was counted. */
export function readCode(input: unknown): string | null {
  if (typeof input !== 'object' || input === null || Object.keys(input).length !== 1) return null
  const { code } = input as { readonly code?: unknown }
  return typeof code === 'string' && code.length <= 128 ? code : null
}
