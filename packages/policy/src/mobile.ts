/**
 * The standard facts of a mobile platform, as data, and a document to start from. A host adds its own facts under `host.`:
 * `defineSchema({ ...mobileSpec, id: 'bank', facts: { ...mobileSpec.facts, 'host.vip': { type: 'bool' } } })`.
 */
import type { PolicyDocument, Rule } from './document.js'
import { defineSchema, type Schema } from './schema.js'

/** Every fact of the standard schema, with its type, who may change it, whether it is secret, and who vouches for it. */
// biome-ignore format: one fact a line reads as the table it is
export const mobileSpec = {
  id: 'postern:mobile/v1',
  facts: {
    action: { type: 'enum', mandatory: true, provenance: 'verified', values: ['device.register', 'device.update', 'user.register', 'login', 'login.implicit', 'token.issue', 'token.refresh', 'token.exchange', 'resource.call', 'confirm', 'authenticator.enrol', 'authenticator.change', 'authenticator.remove'] },
    'resource.type': { type: 'open', provenance: 'verified' },
    'resource.scope': { type: 'set', provenance: 'verified' },
    'resource.transaction': { type: 'bool', provenance: 'verified' },
    'app.id': { type: 'open', provenance: 'verified' },
    'app.version': { type: 'version', prerelease: true, mutability: 'user', provenance: 'declared' },
    'app.build': { type: 'int', min: 0, mutability: 'user', provenance: 'declared' },
    'app.versionStatus': { type: 'enum', values: ['enabled', 'login-only', 'disabled', 'unregistered'], mutability: 'operator', provenance: 'verified' },
    'app.signature': { type: 'enum', values: ['match', 'mismatch', 'unchecked'], secret: true, provenance: 'verified' },
    'os.platform': { type: 'enum', values: ['ios', 'android', 'web', 'other'], provenance: 'declared' },
    'os.version': { type: 'version', mutability: 'user', provenance: 'declared' },
    'os.patchLevel': { type: 'int', min: 0, max: 99_991_231, mutability: 'user', provenance: 'verified' },
    'device.new': { type: 'bool', provenance: 'verified' },
    'device.ageDays': { type: 'int', min: 0, provenance: 'verified' },
    'device.locked': { type: 'bool', provenance: 'verified' },
    'device.integrity.evidence': { type: 'ordered', ranks: ['none', 'self-reported', 'vendor', 'hardware'], secret: true, provenance: 'verified' },
    'device.integrity.ageSec': { type: 'int', min: 0, mutability: 'user', provenance: 'verified' },
    'device.integrity.rooted': { type: 'bool', secret: true, provenance: 'declared' },
    'device.integrity.debugger': { type: 'bool', secret: true, provenance: 'declared' },
    'device.integrity.emulator': { type: 'bool', secret: true, provenance: 'declared' },
    'device.integrity.hooked': { type: 'bool', secret: true, provenance: 'declared' },
    'device.integrity.tampered': { type: 'bool', secret: true, provenance: 'declared' },
    'device.integrity.bootState': { type: 'enum', values: ['verified', 'self-signed', 'unverified', 'failed'], scope: [{ 'os.platform': 'android' }], secret: true, provenance: 'verified' },
    'device.integrity.keyLevel': { type: 'ordered', ranks: ['software', 'tee', ['strongbox', 'enclave']], secret: true, provenance: 'verified' },
    'authenticator.methods': { type: 'set', members: ['pin', 'biometric', 'device-key', 'webauthn', 'otp', 'code', 'custom:*'], mutability: 'user', provenance: 'verified' },
    'authenticator.enrolled': { type: 'set', members: ['pin', 'biometric', 'device-key', 'webauthn', 'otp', 'code', 'custom:*'], mutability: 'operator', provenance: 'verified' },
    'authenticator.usable': { type: 'set', members: ['pin', 'biometric', 'device-key', 'webauthn', 'otp', 'code', 'custom:*'], mutability: 'operator', provenance: 'verified' },
    'authenticator.locked': { type: 'set', members: ['pin', 'biometric', 'device-key', 'webauthn', 'otp', 'code', 'custom:*'], mutability: 'operator', provenance: 'verified' },
    'authenticator.acr': { type: 'int', min: 0, mutability: 'user', provenance: 'verified' },
    'authenticator.ageSec': { type: 'int', min: 0, mutability: 'user', provenance: 'verified' },
    'authenticator.failures': { type: 'int', min: 0, provenance: 'verified' },
    'authenticator.userVerified': { type: 'bool', mutability: 'user', provenance: 'verified' },
    'user.status': { type: 'enum', values: ['active', 'blocked', 'pending', 'deregistered'], mutability: 'operator', provenance: 'verified' },
    'user.groups': { type: 'set', provenance: 'verified' },
    'user.segment': { type: 'open', provenance: 'verified' },
    'user.ageDays': { type: 'int', min: 0, provenance: 'verified' },
    'transaction.type': { type: 'open', scope: [{ action: 'confirm' }, { action: 'resource.call', 'resource.transaction': true }], mutability: 'user', provenance: 'verified' },
    'transaction.currency': { type: 'open', scope: [{ action: 'confirm' }, { action: 'resource.call', 'resource.transaction': true }], mutability: 'user', provenance: 'verified' },
    'transaction.amount': { type: 'int', scope: [{ action: 'confirm' }, { action: 'resource.call', 'resource.transaction': true }], mutability: 'user', provenance: 'verified' },
    'transaction.beneficiaryNew': { type: 'bool', scope: [{ action: 'confirm' }, { action: 'resource.call', 'resource.transaction': true }], mutability: 'user', provenance: 'verified' },
    'transaction.sameNetwork': { type: 'bool', scope: [{ action: 'confirm' }], secret: true, provenance: 'verified' },
    'transaction.sameCountry': { type: 'bool', scope: [{ action: 'confirm' }], secret: true, provenance: 'verified' },
    'risk.score': { type: 'int', min: 0, max: 100, secret: true, provenance: 'verified' },
    'risk.band': { type: 'ordered', ranks: ['low', 'raised', 'high'], secret: true, provenance: 'verified' },
    'risk.calibrated': { type: 'bool', secret: true, provenance: 'verified' },
    'risk.reasons': { type: 'set', secret: true, provenance: 'verified' },
    'alert.active': { type: 'set', secret: true, provenance: 'verified' },
    'network.country': { type: 'open', mutability: 'user', secret: true, provenance: 'verified' },
    'network.asn': { type: 'int', min: 0, max: 4_294_967_295, mutability: 'user', secret: true, provenance: 'verified' },
    'network.kind': { type: 'enum', values: ['mobile', 'fixed', 'hosting', 'vpn', 'tor', 'unknown'], mutability: 'user', secret: true, provenance: 'verified' },
    'network.changed': { type: 'bool', mutability: 'user', secret: true, provenance: 'verified' },
    'time.at': { type: 'int', min: 0, provenance: 'verified' },
    'time.minuteOfDay': { type: 'int', min: 0, max: 1439, provenance: 'verified' },
    'time.weekday': { type: 'enum', values: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], provenance: 'verified' },
  },
  constraints: [{ 'os.platform': 'ios', 'device.integrity.keyLevel': 'tee' }],
} as const

export type MobileSpec = typeof mobileSpec

/** The standard mobile schema. */
export const mobileSchema: Schema<MobileSpec> = /* @__PURE__ */ defineSchema(mobileSpec)

/** What a host decides before it writes its first rule. */
export interface StarterOptions {
  readonly id: string
  /** `hashSchema` of the schema in use. */
  readonly schema: string
  readonly zone?: string
  /** Authenticator sets to levels; platform's `acr` names are 1, 2, 3 in order. */
  readonly levels: Readonly<Record<string, number>>
  /** The level a login must reach. */
  readonly login: number
  /** The level a confirmation must reach, in a proof at most two minutes old. */
  readonly confirm: number
  /** Oldest iOS and Android still served; absent = any. */
  readonly osMinimum?: { readonly ios?: string; readonly android?: string }
  /**
   * Platforms on which an app whose signature nobody attested (`unchecked`) is accepted, default none. An app names its platform itself:
   * give instances there a low ceiling (`capAcr`).
   */
  readonly acceptUnchecked?: readonly ('ios' | 'android' | 'web' | 'other')[]
}

/**
 * A document that refuses blocked users, locked devices, disabled versions, old systems and unsound devices, and asks for the levels named.
 * Every missing signal counts as the worst one. Edit it as fields from there on.
 */
export function starterDocument(o: StarterOptions): PolicyDocument {
  const { osMinimum = {}, acceptUnchecked = [] } = o
  const attested = (['ios', 'android', 'web', 'other'] as const).filter((platform) => !acceptUnchecked.includes(platform))
  const enforced = { mode: 'enforce' } as const
  // What a device is, is judged whenever a token is made; an API sees tokens of a few minutes, and these facts are not in them.
  const atTheGate = { action: { not: 'resource.call' } } as const
  const systems = (['ios', 'android'] as const).filter((platform) => osMinimum[platform] !== undefined)
  const integrity = ['rooted', 'debugger', 'emulator', 'hooked', 'tampered'] as const
  const rules: Rule[] = [
    ...systems.map(
      (platform): Rule => ({
        ...enforced,
        id: `os-minimum-${platform}`,
        effect: 'deny',
        reason: 'os.outdated',
        when: { 'os.platform': platform, 'os.version': { lt: osMinimum[platform]! } },
        message: 'os.update',
        messageUnknown: 'app.update',
      }),
    ),
    {
      ...enforced,
      id: 'version-disabled',
      effect: 'deny',
      reason: 'app.disabled',
      when: { 'app.versionStatus': ['disabled', 'unregistered'] },
      message: 'app.update',
    },
    {
      ...enforced,
      id: 'version-login-only',
      effect: 'deny',
      reason: 'app.registration_closed',
      when: { action: ['device.register', 'user.register'], 'app.versionStatus': 'login-only' },
      message: 'app.update',
    },
    {
      ...enforced,
      id: 'app-not-ours',
      effect: 'deny',
      reason: 'app.integrity',
      when: { ...atTheGate, 'app.signature': 'mismatch' },
    },
    ...(attested.length === 0
      ? []
      : [
          {
            ...enforced,
            id: 'app-not-attested',
            effect: 'deny',
            reason: 'app.integrity',
            when: { ...atTheGate, 'os.platform': attested, 'app.signature': 'unchecked' },
          } as const,
        ]),
    ...integrity.map(
      (signal): Rule => ({
        ...enforced,
        id: `device-${signal}`,
        effect: 'deny',
        reason: 'device.integrity',
        when: { ...atTheGate, [`device.integrity.${signal}`]: true },
      }),
    ),
    {
      ...enforced,
      id: 'device-locked',
      effect: 'deny',
      reason: 'policy.denied',
      when: { action: { not: 'device.register' }, 'device.locked': true },
    },
    {
      ...enforced,
      id: 'user-not-active',
      effect: 'deny',
      reason: 'user.blocked',
      when: { action: { not: ['device.register', 'device.update', 'user.register'] }, 'user.status': { not: 'active' } },
    },
    {
      ...enforced,
      id: 'login-level',
      effect: 'require',
      reason: 'step_up',
      when: { action: ['login', 'token.issue', 'authenticator.change', 'authenticator.remove'] },
      require: { acr: o.login },
    },
    {
      ...enforced,
      id: 'confirm-level',
      effect: 'require',
      reason: 'step_up',
      when: { action: 'confirm' },
      require: { acr: o.confirm, maxAgeSec: 120 },
    },
    { ...enforced, id: 'use', effect: 'allow', when: { 'app.versionStatus': ['enabled', 'login-only'] } },
  ]
  return {
    format: 1,
    id: o.id,
    parent: null,
    schema: o.schema,
    zone: o.zone ?? 'UTC',
    acr: { levels: o.levels },
    fallback: [
      {
        from: 'biometric',
        to: ['pin'],
        on: ['not-enrolled', 'unavailable', 'cancelled', 'failed', 'os-lockout', 'key-invalidated', 'user-choice'],
      },
    ],
    rules,
    invariants: [
      { never: 'allow', when: { ...atTheGate, 'device.integrity.rooted': true } },
      { never: 'allow', when: { action: 'login', 'user.status': 'blocked' } },
      { never: 'allow', when: { ...atTheGate, 'app.signature': 'mismatch' } },
    ],
    fixtures: [
      { name: 'a request that tells nothing is refused', facts: { action: 'login' }, expect: { outcome: 'deny' } },
      {
        name: 'a sound device registers',
        facts: {
          action: 'device.register',
          'app.versionStatus': 'enabled',
          'app.signature': 'match',
          'os.platform': 'ios',
          ...(osMinimum.ios === undefined ? {} : { 'os.version': osMinimum.ios }),
          ...Object.fromEntries(integrity.map((signal) => [`device.integrity.${signal}`, false])),
        },
        expect: { outcome: 'allow' },
      },
    ],
  }
}
