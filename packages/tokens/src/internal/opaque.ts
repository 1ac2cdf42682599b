/** Opaque access tokens: what a JWT would say, sealed. Nothing is stored; whoever holds one reads nothing of it. */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import type { Claims } from '@postern/core/jws'
import { openBytes, sealBytes } from './handles.js'
import type { Kit } from './kit.js'
import { type PackedHandle, packHandle, type TokenContent, type TokenHandle, unpackHandle } from './tokenHandle.js'

export function isOpaque(text: string): boolean {
  return text.startsWith('pa_')
}

/** A token of these claims. */
export async function sealOpaque(kit: Kit, handle: TokenHandle, claims: Claims): Promise<string> {
  return sealBytes(kit, 'access', utf8(JSON.stringify([packHandle(handle), claims])))
}

export async function openOpaque(kit: Kit, text: string): Promise<TokenContent | null> {
  const bytes = await openBytes(kit, 'access', text)
  if (bytes === null) return null
  const [packed, claims] = JSON.parse(fromUtf8(bytes)!) as [PackedHandle, JsonObject]
  return { claims, handle: unpackHandle(packed), kid: null }
}
