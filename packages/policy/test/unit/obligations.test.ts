import type { Edge, FallbackCause } from '@postern/policy/document'
import {
  type AuthenticatorFacts,
  acrOf,
  fallbackFor,
  merge,
  neutral,
  type Obligation,
  requirementOf,
  resolve,
} from '@postern/policy/obligations'
import { describe, expect, it } from 'vitest'

const levels = { pin: 1, biometric: 1, otp: 1, webauthn: 2, 'device-key+pin': 2 }
const all = ['pin', 'biometric', 'otp', 'webauthn', 'device-key']
const have = (more: Partial<Record<keyof AuthenticatorFacts, unknown>> = {}): AuthenticatorFacts => {
  const set = (name: keyof AuthenticatorFacts, usual: readonly string[]): ReadonlySet<string> | null => {
    const told = name in more ? more[name] : usual
    return told === null ? null : new Set(told as readonly string[])
  }
  return {
    methods: set('methods', []),
    enrolled: set('enrolled', all),
    usable: set('usable', all),
    locked: set('locked', []),
    acr: 'acr' in more ? (more.acr as number | null) : 0,
    ageSec: 'ageSec' in more ? (more.ageSec as number | null) : 0,
  }
}
const edge = (from: string, to: readonly string[], ...on: FallbackCause[]): Edge => ({ from, to, on })
const of = (spec: Parameters<typeof requirementOf>[0], ...edges: Edge[]) => requirementOf(spec, edges)
const owed = (r: ReturnType<typeof resolve>): Obligation => {
  if (r === null || r === 'satisfied') throw new Error(`nothing is owed: ${r}`)
  return r
}

describe('a requirement', () => {
  it('demands nothing that the rule does not name, and permits the edges of the document', () => {
    const edges = [edge('biometric', ['pin'], 'cancelled')]
    expect(requirementOf({}, edges)).toEqual({ acr: 0, maxAgeSec: Number.POSITIVE_INFINITY, anyOf: [[]], fallback: edges })
    expect(requirementOf({ fallback: 'all' }, edges).fallback).toEqual(edges)
    expect(requirementOf({ fallback: 'none' }, edges).fallback).toEqual([])
    const own = [edge('otp', ['pin'], 'failed')]
    expect(requirementOf({ fallback: own }, edges).fallback).toEqual(own)
    expect(requirementOf({ acr: 2, maxAgeSec: 60, anyOf: [['pin'], ['pin', 'otp']] }, [])).toMatchObject({
      acr: 2,
      maxAgeSec: 60,
      anyOf: [['pin']],
    })
  })
})

describe('two demands', () => {
  const a = of({ acr: 1, maxAgeSec: 60, anyOf: [['pin'], ['otp']] }, edge('biometric', ['pin', 'otp'], 'cancelled', 'failed'))
  const b = of({ acr: 2, maxAgeSec: 600, anyOf: [['webauthn'], ['pin']] }, edge('biometric', ['pin'], 'failed', 'unavailable'))

  it('are the higher level, the younger age, every pair of alternatives without supersets, and the edges that both permit', () => {
    expect(merge(a, b)).toEqual({
      acr: 2,
      maxAgeSec: 60,
      anyOf: [['pin'], ['otp', 'webauthn']],
      fallback: [edge('biometric', ['pin'], 'failed')],
    })
  })
  it('with the neutral one are the other', () => {
    expect([merge(neutral, a), merge(a, neutral)]).toEqual([a, a])
  })
})

describe('a level', () => {
  it('is the highest entry whose members are all there', () => {
    expect([[], ['pin'], ['device-key'], ['device-key', 'pin'], ['pin', 'webauthn']].map((set) => acrOf(set, levels))).toEqual([
      0, 1, 0, 2, 2,
    ])
    expect(acrOf(['device-key', 'pin'], { 'device-key+pin': 2, pin: 1 })).toBe(2)
  })
})

describe('a demand is satisfied', () => {
  const r = of({ acr: 2, maxAgeSec: 60, anyOf: [['webauthn']] })
  const shown = { methods: ['webauthn'], acr: 2, ageSec: 60 }
  it('by authenticators that were shown, at their level, young enough', () => {
    expect(resolve(r, have(shown), levels)).toBe('satisfied')
  })
  it.each<[string, object]>([
    ['another authenticator', { ...shown, methods: ['pin'] }],
    ['none that is known', { ...shown, methods: null }],
    ['a lower level', { ...shown, acr: 1 }],
    ['no level that is known', { ...shown, acr: null }],
    ['too old', { ...shown, ageSec: 61 }],
    ['of no age that is known', { ...shown, ageSec: null }],
  ])('and not by %s', (_, facts) => {
    expect(resolve(r, have(facts), levels)).toEqual({ acr: 2, maxAgeSec: 60, anyOf: [['webauthn']], fallback: [] })
  })
  it('at any age where none is demanded', () => {
    expect(resolve(of({ acr: 1 }), have({ methods: ['pin'], acr: 1, ageSec: null }), levels)).toBe('satisfied')
  })
  it('when nothing is demanded, by nothing', () => {
    expect(resolve(neutral, have({ methods: null, acr: null, ageSec: null, usable: null }), {})).toBe('satisfied')
    expect(resolve(neutral, have({ acr: -1 }), levels)).toBe('satisfied')
  })
  it('by no level above what the table reaches: a table that was cut cuts sessions too', () => {
    const cut = { pin: 1, webauthn: 1 }
    expect(resolve(of({ acr: 2 }), have({ methods: ['pin'], acr: 2 }), cut)).toBeNull()
    expect(resolve(of({ acr: 1 }), have({ methods: ['pin'], acr: 2 }), cut)).toBe('satisfied')
    expect(resolve(of({ acr: 1, anyOf: [['pin']] }), have({ methods: ['pin'], acr: 1 }), {})).toBeNull()
  })
  it('by what a client may fall back to as well, since its word cannot be checked', () => {
    const loose = of({ acr: 1, anyOf: [['biometric']] }, edge('biometric', ['pin'], 'cancelled'))
    expect(resolve(loose, have({ methods: ['pin'], acr: 1 }), levels)).toBe('satisfied')
    expect(resolve(loose, have({ methods: ['pin'], acr: 1, locked: ['biometric'] }), levels)).not.toBe('satisfied')
    expect(resolve(loose, have({ methods: ['pin'], acr: 1, locked: null }), levels)).not.toBe('satisfied')
  })
})

describe('what is owed', () => {
  it('is whatever reaches the level and can be used, completed from the table', () => {
    expect(owed(resolve(of({ acr: 2 }), have(), levels)).anyOf).toEqual([['webauthn'], ['device-key', 'pin']])
    expect(owed(resolve(of({ acr: 2 }), have({ usable: ['pin', 'device-key'] }), levels)).anyOf).toEqual([['device-key', 'pin']])
    expect(owed(resolve(of({ acr: 2, anyOf: [['otp']] }), have(), levels)).anyOf).toEqual([
      ['otp', 'webauthn'],
      ['device-key', 'otp', 'pin'],
    ])
  })
  it('is anything of the table where a fresh proof of nothing in particular is demanded', () => {
    expect(owed(resolve(of({ maxAgeSec: 60 }), have({ ageSec: 61, usable: ['pin', 'otp'] }), levels)).anyOf).toEqual([
      ['otp'],
      ['pin'],
    ])
    expect(resolve(of({ maxAgeSec: 60 }), have({ ageSec: 60 }), levels)).toBe('satisfied')
  })
  it('is nothing that could be done where nothing can be used, or nobody knows what', () => {
    for (const usable of [[], ['device-key'], null]) expect(resolve(of({ acr: 2 }), have({ usable }), levels)).toBeNull()
  })
  it('is what stands in, where the server knows that the authenticator is locked or not enrolled and an edge lists it', () => {
    const r = of(
      { acr: 1, anyOf: [['biometric']] },
      edge('biometric', ['otp'], 'locked'),
      edge('biometric', ['pin'], 'not-enrolled'),
    )
    const without = all.filter((kind) => kind !== 'biometric')
    expect(owed(resolve(r, have({ locked: ['biometric'], usable: without }), levels)).anyOf).toEqual([['otp']])
    expect(owed(resolve(r, have({ enrolled: without, usable: without }), levels)).anyOf).toEqual([['pin']])
    expect(resolve(r, have({ usable: without }), levels)).toBeNull()
    expect(resolve(r, have({ enrolled: null, usable: without }), levels)).toBeNull()
    expect(resolve(r, have({ locked: null, usable: without }), levels)).toBeNull()
  })
  it('is what a client may fall back to only where nothing else can be used', () => {
    const r = of({ acr: 1, anyOf: [['biometric']] }, edge('biometric', ['pin'], 'unavailable'))
    expect(owed(resolve(r, have(), levels)).anyOf).toEqual([['biometric']])
    expect(owed(resolve(r, have({ usable: ['pin'] }), levels)).anyOf).toEqual([['pin']])
    expect(resolve(r, have({ usable: ['pin'], locked: ['biometric'] }), levels)).toBeNull()
  })
  it('is not what a client may fall back to because the server knows something else of the authenticator', () => {
    const r = of({ acr: 1, anyOf: [['biometric'], ['webauthn']] }, edge('biometric', ['pin'], 'unavailable'))
    const without = { enrolled: ['webauthn', 'pin'], usable: ['webauthn', 'pin'] }
    expect(owed(resolve(r, have(without), levels)).anyOf).toEqual([['webauthn']])
    expect(resolve(r, have({ ...without, usable: ['pin'], locked: null }), levels)).toBeNull()
  })
  it('names the edges that lead somewhere: usable, of the level, one a pair with all its causes', () => {
    const edges = [
      edge('webauthn', ['pin', 'otp'], 'cancelled'),
      edge('biometric', ['pin', 'otp', 'webauthn'], 'cancelled', 'failed', 'locked'),
      edge('device-key', ['otp'], 'failed'),
    ]
    const r = of({ acr: 1, anyOf: [['biometric']] }, ...edges)
    expect(owed(resolve(r, have({ usable: ['biometric', 'pin', 'webauthn'] }), levels)).fallback).toEqual([
      edge('biometric', ['pin'], 'cancelled', 'failed', 'locked'),
      edge('biometric', ['webauthn'], 'cancelled', 'failed', 'locked'),
    ])
    const both = of(
      { acr: 2, anyOf: [['biometric', 'webauthn']] },
      edge('webauthn', ['pin'], 'failed'),
      edge('biometric', ['webauthn', 'pin'], 'failed'),
    )
    expect(owed(resolve(both, have(), levels)).fallback).toEqual([edge('biometric', ['pin'], 'failed')])
    expect(owed(resolve(neutralWith(60), have({ ageSec: 61 }), levels)).fallback).toEqual([])
  })
})
const neutralWith = (maxAgeSec: number) => ({ ...neutral, maxAgeSec })

describe('a fallback', () => {
  const edges = [
    edge('biometric', ['pin', 'otp'], 'unavailable', 'cancelled', 'failed', 'os-lockout', 'key-invalidated', 'user-choice'),
    edge('biometric', ['webauthn'], 'locked', 'not-enrolled'),
  ]
  const o: Obligation = { acr: 1, maxAgeSec: 60, anyOf: [['biometric']], fallback: edges }

  it.each<FallbackCause>(['unavailable', 'cancelled', 'failed', 'os-lockout', 'key-invalidated', 'user-choice'])(
    'on %s is what the edge names and can be used, unless the authenticator is locked or nobody knows',
    (on) => {
      expect(fallbackFor(o, 'biometric', on, have())).toEqual(['otp', 'pin'])
      expect(fallbackFor(o, 'biometric', on, have({ usable: ['pin'] }))).toEqual(['pin'])
      expect(fallbackFor(o, 'biometric', on, have({ usable: null }))).toEqual([])
      expect(fallbackFor(o, 'biometric', on, have({ locked: ['biometric'] }))).toEqual([])
      expect(fallbackFor(o, 'biometric', on, have({ locked: null }))).toEqual([])
      expect(fallbackFor(o, 'pin', on, have())).toEqual([])
    },
  )
  it('is on the cause that the edge names, and no other', () => {
    const narrow = { ...o, fallback: [edge('biometric', ['pin'], 'failed'), edge('biometric', ['otp'], 'locked')] }
    expect(fallbackFor(narrow, 'biometric', 'failed', have())).toEqual(['pin'])
    expect(fallbackFor(narrow, 'biometric', 'cancelled', have())).toEqual([])
    expect(fallbackFor(narrow, 'biometric', 'not-enrolled', have({ locked: ['biometric'], enrolled: [] }))).toEqual([])
  })
  it('on what the server knows is offered only where it is so', () => {
    expect(fallbackFor(o, 'biometric', 'locked', have())).toEqual([])
    expect(fallbackFor(o, 'biometric', 'locked', have({ locked: ['biometric'] }))).toEqual(['webauthn'])
    expect(fallbackFor(o, 'biometric', 'not-enrolled', have())).toEqual([])
    expect(fallbackFor(o, 'biometric', 'not-enrolled', have({ enrolled: ['webauthn'] }))).toEqual(['webauthn'])
  })
})
