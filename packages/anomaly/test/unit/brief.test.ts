import { briefReasons } from '@postern/anomaly/reasons'
import { expect, it } from 'vitest'

it('brief reasons name the weightiest and still sum to the same units (N1)', () => {
  const reasons = [5, -900, 30, 2, -1, 400, 7, 8].map((units, i) => ({
    code: ['prior', 'hours', 'failures', 'velocity', 'extra', 'device.os', 'device.id', 'integrity'][i] as 'prior',
    units,
    detail: {},
  }))
  const brief = briefReasons(reasons, 3)
  expect(brief.map(({ code }) => code)).toEqual(['hours', 'device.os', 'failures', 'rest'])
  expect(brief.reduce((sum, { units }) => sum + units, 0)).toBe(reasons.reduce((sum, { units }) => sum + units, 0))
})
