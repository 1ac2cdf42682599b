import type { PlatformOptions } from '@postern/platform'
import type { Route } from '@postern/platform/gateway'
import type { RegistrarResult } from '@postern/platform/registration'
import { acceptLoss } from '@postern/store'
import { expectTypeOf } from 'vitest'

export function outcome(result: RegistrarResult): string {
  switch (result.outcome) {
    case 'done':
      return result.subject
    case 'failed':
      return ''
    default:
      return result satisfies never
  }
}
// @ts-expect-error: who is done is somebody
export const nobody: RegistrarResult = { outcome: 'done' }

// At least one level; a store that may forget is accepted by a symbol alone.
expectTypeOf<PlatformOptions['acr']>().toEqualTypeOf<readonly [string, ...string[]]>()
export const forgetful: Pick<PlatformOptions, typeof acceptLoss> = { [acceptLoss]: true }
// @ts-expect-error: a route says whether its calls must be sealed
export const route: Route = { match: /^\/x$/, methods: ['GET'], resource: 'x', handle: async () => new Response() }
