import { allowBearerPublicClients, type ConfigInput } from '@postern/tokens/config'
import type { Decision } from '@postern/tokens/interaction'
import type { TokenKind } from '@postern/tokens/login'
import type { Verdict } from '@postern/tokens/recheck'
import { expectTypeOf } from 'vitest'

// What weakens an issuer is a symbol: it cannot come out of JSON.
const fromJson = JSON.parse('{"allowBearerPublicClients":true}') as Record<string, unknown>
expectTypeOf(allowBearerPublicClients).toBeSymbol()
expectTypeOf<keyof typeof fromJson>().toEqualTypeOf<string>()
export const open: ConfigInput = { defaultResource: 'https://api.example', [allowBearerPublicClients]: true }

// A host that answers an interaction or a recheck has two ways, and each demands what it needs.
// @ts-expect-error: a granted decision names its login
export const granted: Decision = { outcome: 'granted', scope: [] }
// @ts-expect-error: a refusal says which code the event gets
export const refused: Verdict = { ok: false, error: 'invalid_grant' }

export function kindOf(kind: TokenKind): number {
  switch (kind) {
    case 'user':
      return 1
    case 'implicit':
      return 2
    case 'device':
      return 3
    default:
      return kind satisfies never
  }
}
