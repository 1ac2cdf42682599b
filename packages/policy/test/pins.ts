/** A PIN policy without rules, to add one to. */
import { utf8 } from '@postern/core/bytes'
import { checkPin, defaultPinPolicy, type PinContext, type PinPolicy, type PinRule } from '@postern/policy/pin/policy'

export const bare: PinPolicy = {
  ...defaultPinPolicy,
  length: { min: 4, max: 32 },
  maxRun: null,
  maxSame: null,
  sequences: null,
  patterns: [],
  dates: [],
  keypad: false,
  userData: false,
  blocklists: {},
}
export const refused = (p: PinPolicy, pin: string, ctx?: PinContext): readonly PinRule[] => checkPin(p, utf8(pin), ctx).violations
