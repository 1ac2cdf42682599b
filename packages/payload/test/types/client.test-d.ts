import { allowUnsignedKeys, type SealedFetchCode, type SealedFetchOptions } from '../../src/client.js'
import type { Level, Requirement } from '../../src/server.js'

/** A switch over the codes of a sealed fetch is exhaustive. */
export function advise(code: SealedFetchCode): string {
  switch (code) {
    case 'payload.transport':
    case 'payload.keys_expired':
      return 'try later'
    case 'payload.outcome_unknown':
      return 'ask the API'
    case 'payload.reply_refused':
    case 'payload.truncated':
    case 'payload.keys_untrusted':
    case 'payload.keys_rolled_back':
      return 'somebody is in between'
    case 'payload.body_too_large':
    case 'payload.misdirected':
    case 'bhttp.malformed':
    case 'bhttp.limit':
      return 'fix the app'
    default:
      return code satisfies never
  }
}

export const levels: Readonly<Record<Level, Requirement>> = { plain: 'allowed', single: 'sealed', session: 'session' }

// @ts-expect-error a dangerous option cannot come out of JSON
export const fromJson: SealedFetchOptions['roots'] = 'allowUnsignedKeys' as string
export const onPurpose: SealedFetchOptions['roots'] = allowUnsignedKeys
// @ts-expect-error no pin is no trust
export const none: SealedFetchOptions['roots'] = []
