/** What a PIN policy must be: each member, refused with a pointer. */
import { defaultPinPolicy, parsePinPolicy } from '@postern/policy/pin/policy'
import { expect, it } from 'vitest'

const hash = `sha256:${'A'.repeat(43)}`
const { cycles: _, ...incomplete } = defaultPinPolicy

it.each<[string, object]>([
  ['/format', { format: 2 }],
  ['/id', { id: '' }],
  ['/id', { id: 'x'.repeat(129) }],
  ['/length', { length: { min: 4 } }],
  ['/length/min', { length: { min: 3, max: 6 } }],
  ['/length/max', { length: { min: 6, max: 5 } }],
  ['/length/max', { length: { min: 6, max: 33 } }],
  ['/maxRun', { maxRun: 0 }],
  ['/maxRun', { maxRun: 33 }],
  ['/maxSame', { maxSame: 1.5 }],
  ['/sequences', { sequences: {} }],
  ['/sequences/steps', { sequences: { steps: 'some', wrap: true } }],
  ['/sequences/steps/1', { sequences: { steps: [1, 0], wrap: true } }],
  ['/sequences/steps/0', { sequences: { steps: [10], wrap: true } }],
  ['/sequences/wrap', { sequences: { steps: 'any', wrap: 1 } }],
  ['/patterns', { patterns: 'ABAB' }],
  ['/patterns/1', { patterns: ['ABAB', 'ABCD'] }],
  ['/dates', { dates: null }],
  ['/dates/0', { dates: ['YYMM'] }],
  ['/years/from', { years: { from: -1, to: 2000 } }],
  ['/years/to', { years: { from: 2001, to: 2000 } }],
  ['/years/to', { years: { from: 2001, to: 10_000 } }],
  ['/keypad', { keypad: 'yes' }],
  ['/userData', { userData: null }],
  ['/blocklists', { blocklists: [] }],
  ['/blocklists/3', { blocklists: { '3': ['123'] } }],
  ['/blocklists/04', { blocklists: { '04': ['1234'] } }],
  ['/blocklists/33', { blocklists: { '33': ['1'.repeat(33)] } }],
  ['/blocklists/4/1', { blocklists: { '4': ['1234', '12345'] } }],
  ['/blocklists/4/0', { blocklists: { '4': ['12a4'] } }],
  ['/blocklists/4/0', { blocklists: { '4': [1234] } }],
  ['/blocklists/4', { blocklists: { '4': '1234' } }],
  ['/blocklists/5/count', { blocklists: { '5': { ref: 'r', count: 1_000_001, hash } } }],
  ['/blocklists/5/hash', { blocklists: { '5': { ref: 'r', count: 1, hash: `${hash}A` } } }],
  ['/attempts', { attempts: 0 }],
  ['/attempts', { attempts: 101 }],
  ['/cycles', { cycles: 0 }],
  ['/cycles', { cycles: 1001 }],
  ['/colour', { colour: 'red' }],
])('%s of %j is refused', (reason, more) => {
  expect(() => parsePinPolicy(JSON.stringify({ ...defaultPinPolicy, ...more }))).toThrow(
    expect.objectContaining({ code: 'pin.policy_invalid', reason }),
  )
})

it('a member that is missing, a list that is too long and text that is no JSON are refused', () => {
  const invalid = expect.objectContaining({ code: 'pin.policy_invalid' })
  const long = { ...defaultPinPolicy, blocklists: { '6': Array.from({ length: 100_001 }, (_, i) => String(i).padStart(6, '0')) } }
  for (const bad of [
    JSON.stringify(incomplete),
    JSON.stringify(long),
    '{',
    '[]',
    '{"format":1,"format":1}',
    ' '.repeat(2 ** 20 + 1),
  ])
    expect(() => parsePinPolicy(bad)).toThrow(invalid)
})

it('the least and the most of everything pass, from text, bytes or a value', () => {
  const least = {
    ...defaultPinPolicy,
    length: { min: 4, max: 32 },
    maxRun: 1,
    maxSame: 32,
    sequences: { steps: [-9, 9], wrap: false },
    patterns: [],
    dates: [],
    years: { from: 0, to: 9999 },
    keypad: false,
    userData: false,
    blocklists: { '4': ['0000'], '32': { ref: 'r', count: 1, hash } },
    attempts: 100,
    cycles: 1000,
  } as const
  const text = JSON.stringify(least)
  for (const form of [text, new TextEncoder().encode(text), least]) expect(parsePinPolicy(form)).toEqual(least)
  expect(parsePinPolicy({ ...least, maxRun: null, maxSame: null, sequences: null })).toMatchObject({
    maxRun: null,
    sequences: null,
  })
})
