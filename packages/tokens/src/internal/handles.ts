/** Sealed handles: what must survive between two requests is carried by the client, unreadable and unchangeable. Types never mix (T20). */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { Kit } from './kit.js'

/** Types with their prefixes, which are for secret scanners and trusted for nothing. */
const PREFIXES = {
  access: 'pa_',
  ciba: 'pb_',
  code: 'pc_',
  device: 'pd_',
  interaction: 'pi_',
  notification: 'pn_',
  logout: 'pl_',
  registration: 'pm_',
  par: 'pp_',
  refresh: 'pr_',
  deviceSecret: 'ps_',
} as const

export type HandleType = keyof typeof PREFIXES

/** What must open as long as the oldest family, session or registration lives; everything else is of half an hour at most. */
const LONG: readonly HandleType[] = ['refresh', 'registration', 'deviceSecret']

const MAX_CHARACTERS = 12_000

/** A handle that opens until its content says it is over. */
export function sealHandle(kit: Kit, type: HandleType, content: unknown): Promise<string> {
  return sealBytes(kit, type, utf8(JSON.stringify(content)))
}

/** The same of bytes. */
export async function sealBytes(kit: Kit, type: HandleType, plaintext: Uint8Array): Promise<string> {
  const sealer = LONG.includes(type) ? kit.long : kit.short
  return PREFIXES[type] + encodeBase64url(await sealer.seal(kit.scope(type), plaintext))
}

/** The same bytes for the same content and key. */
export async function sealSame(kit: Kit, type: 'refresh', plaintext: Uint8Array, kid: string): Promise<string> {
  return PREFIXES[type] + encodeBase64url(await kit.long.sealDeterministic(kit.scope(type), plaintext, kid))
}

/** The content of a handle of this type, tenant, issuer and restore epoch, or `null`. What opens was written by us and needs no second judge. */
export async function openHandle<T>(kit: Kit, type: HandleType, text: string): Promise<T | null> {
  const bytes = await openBytes(kit, type, text)
  const content = bytes === null ? null : fromUtf8(bytes)
  return content === null ? null : (JSON.parse(content) as T)
}

/** The plaintext bytes of a handle, or `null`. */
export async function openBytes(kit: Kit, type: HandleType, text: string): Promise<Uint8Array | null> {
  const prefix = PREFIXES[type]
  if (text.length > MAX_CHARACTERS || !text.startsWith(prefix)) return null
  const sealed = decodeBase64url(text.slice(prefix.length))
  if (sealed === null) return null
  const sealer = LONG.includes(type) ? kit.long : kit.short
  return sealer.open(kit.scope(type), sealed)
}
