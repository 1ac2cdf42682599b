/** Opaque access tokens: what a JWT would say, sealed. Nothing is stored; whoever holds one reads nothing of it. */
import { concat, fromUtf8, utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import type { Claims } from '@postern/core/jws'
import { lp } from '@postern/core/tuple'
import { openBytes, sealBytes } from './handles.js'
import type { Kit } from './kit.js'
import { decodeTokenHandle, encodeTokenHandle, type TokenHandle } from './tokenHandle.js'

export function isOpaque(text: string): boolean {
  return text.startsWith('pa_')
}

/** A token of these claims; `jti` among them is a name alone. */
export async function sealOpaque(kit: Kit, handle: TokenHandle, claims: Claims): Promise<string> {
  return sealBytes(kit, 'access', concat(lp(encodeTokenHandle(handle)), utf8(JSON.stringify(claims))))
}

export async function openOpaque(
  kit: Kit,
  text: string,
): Promise<{ readonly claims: JsonObject; readonly handle: TokenHandle } | null> {
  const bytes = await openBytes(kit, 'access', text)
  if (bytes === null) return null
  const end = 2 + bytes[0]! * 256 + bytes[1]!
  return {
    handle: decodeTokenHandle(bytes.subarray(2, end)),
    claims: JSON.parse(fromUtf8(bytes.subarray(end)) ?? 'null') as JsonObject,
  }
}
