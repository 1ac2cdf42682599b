// @ts-check
// The bank's rules: Postern's starting document, and what this bank wants beside it.
import { starterDocument } from '@postern/policy/mobile'

/** Cents: above this a transfer needs the device key, no more than two minutes ago. */
export const STEP_UP_ABOVE = 100_000

/** Versions before this one are served no more. */
const OLDEST_APP = '5.0.0'

/** @param {string} schema @returns {import('@postern/policy/document').PolicyDocument} */
export function bankPolicy(schema) {
  const start = starterDocument({
    id: 'main',
    schema,
    zone: 'Europe/Amsterdam',
    levels: { pin: 2, biometric: 2, 'device-key': 3, 'custom:memorable-word': 2 },
    login: 2,
    confirm: 2,
    acceptUnchecked: ['other'],
  })
  return {
    ...start,
    // Who does not remember his word may show who he is by his PIN.
    fallback: [
      ...start.fallback,
      { from: 'custom:memorable-word', to: ['pin'], on: ['unavailable', 'cancelled', 'failed', 'user-choice'] },
    ],
    rules: [
      ...start.rules,
      {
        id: 'app-too-old',
        mode: 'enforce',
        effect: 'deny',
        reason: 'app.outdated',
        when: { 'app.version': { lt: OLDEST_APP } },
        message: 'app.update',
      },
      {
        id: 'large-transfer',
        mode: 'enforce',
        effect: 'require',
        reason: 'step_up',
        when: { action: 'resource.call', 'resource.type': 'transfers', 'transaction.amount': { gt: STEP_UP_ABOVE } },
        require: { acr: 3, maxAgeSec: 120, anyOf: [['device-key']], fallback: 'none' },
      },
    ],
    fixtures: [
      ...start.fixtures.map((fixture) => ({ ...fixture, facts: { 'app.version': '5.2.0', ...fixture.facts } })),
      {
        name: 'a small transfer needs no step-up',
        facts: {
          action: 'resource.call',
          'resource.type': 'transfers',
          'resource.transaction': true,
          'transaction.amount': 4_200,
          'app.version': '5.2.0',
          'app.versionStatus': 'enabled',
          'os.platform': 'other',
          'device.locked': false,
          'user.status': 'active',
        },
        expect: { outcome: 'allow' },
      },
    ],
  }
}
