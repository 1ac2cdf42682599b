import type { Assessment, Band, Reason, ReasonCode } from '@postern/anomaly/reasons'
import type { RiskModel } from '@postern/anomaly/risk'
import { expectTypeOf } from 'vitest'

export function words(band: Band): string {
  switch (band) {
    case 'low':
      return 'as usual'
    case 'raised':
      return 'unusual'
    case 'high':
      return 'very unusual'
    default:
      return band satisfies never
  }
}

// Codes are a closed union, and a score is an answer at once: there is nothing to wait for.
expectTypeOf<Reason['code']>().toEqualTypeOf<ReasonCode>()
expectTypeOf<ReturnType<RiskModel['score']>>().toEqualTypeOf<Assessment>()
// @ts-expect-error: no such reason
export const wrong: ReasonCode = 'moon.phase'
