/** A small schema and documents over it, small enough to enumerate. */
import type { AcrLevels, Box, Edge, PolicyDocument, Rule } from '@postern/policy/document'
import { defineSchema, type Schema } from '@postern/policy/schema'

const spec = {
  id: 'small',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm'], mandatory: true },
    amount: { type: 'int', min: 0, max: 5, scope: [{ action: 'confirm' }] },
    rooted: { type: 'bool' },
    version: { type: 'version', prerelease: true },
    app: { type: 'open' },
    level: { type: 'ordered', ranks: ['none', 'vendor', ['strongbox', 'enclave']] },
    groups: { type: 'set', members: ['a', 'b'] },
    platform: { type: 'enum', values: ['ios', 'android'] },
    boot: { type: 'bool', scope: [{ platform: 'android' }] },
    'authenticator.methods': { type: 'set', members: ['pin', 'biometric', 'device-key'] },
    'authenticator.enrolled': { type: 'set', members: ['pin', 'biometric', 'device-key'] },
    'authenticator.usable': { type: 'set', members: ['pin', 'biometric', 'device-key'] },
    'authenticator.locked': { type: 'set', members: ['pin', 'biometric', 'device-key'] },
    'authenticator.acr': { type: 'int', min: 0, max: 3 },
    'authenticator.ageSec': { type: 'int', min: 0 },
  },
} as const

export const small: Schema<typeof spec> = defineSchema(spec)

export const levels: AcrLevels = { pin: 1, biometric: 1, 'device-key': 1, 'device-key+pin': 2 }
export const edges: readonly Edge[] = [{ from: 'biometric', to: ['pin'], on: ['unavailable', 'not-enrolled'] }]

export function doc(rules: readonly Rule[], more: Partial<PolicyDocument> = {}): PolicyDocument {
  return {
    format: 1,
    id: 'p',
    parent: null,
    schema: 'sha256:x',
    zone: 'UTC',
    acr: { levels },
    fallback: edges,
    rules,
    invariants: [],
    fixtures: [],
    ...more,
  }
}

export const allow = (id: string, when: Box = {}): Rule => ({ id, mode: 'enforce', effect: 'allow', when })
export const deny = (id: string, when: Box, more: object = {}): Rule => ({
  id,
  mode: 'enforce',
  effect: 'deny',
  reason: 'policy.denied',
  when,
  ...more,
})
