import { utf8 } from '@postern/core/bytes'
import { checkPin, defaultPinPolicy, type PinPolicy, parsePinPolicy } from '@postern/policy/pin/policy'
import { describe, expect, it } from 'vitest'
import { missing, vector } from './files.js'

const bare: PinPolicy = {
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
const refused = (p: PinPolicy, pin: string, userData?: readonly string[]) =>
  checkPin(p, utf8(pin), userData ? { userData } : {}).violations
const count = (p: PinPolicy, length: number): number => {
  let n = 0
  for (let i = 0; i < 10 ** length; i++) if (refused(p, String(i).padStart(length, '0')).length > 0) n++
  return n
}

it.each([
  [4, 214],
  [5, 2_816],
  [6, 36_920],
])('run above two or an arithmetic sequence of any step: of all PINs of length %i, %i are refused', (length, known) => {
  expect(count({ ...bare, maxRun: 2, sequences: { steps: 'any', wrap: false } }, length)).toBe(known)
})

it('what the user is known by says nothing where the policy does not ask, and two digits are no sequence', () => {
  expect(refused(bare, '1985', ['1985'])).toEqual([])
  expect(refused({ ...bare, userData: true }, '9199', ['19', '', 'Baker Street 221b'])).toEqual([])
  const sequences = { steps: 'any', wrap: true } as const
  expect([refused({ ...bare, sequences }, '12'), refused({ ...bare, sequences }, '123')]).toEqual([
    ['length'],
    ['length', 'sequence'],
  ])
  expect(refused({ ...bare, keypad: true }, '258')).toEqual(['length'])
})

it('all-same and ±1 sequences of four digits are 24 PINs', () => {
  expect(count({ ...bare, maxRun: 3, sequences: { steps: [1, -1], wrap: false } }, 4)).toBe(24)
})

it.each<[string, Partial<PinPolicy>, string[], string[]]>([
  ['run', { maxRun: 2 }, ['1112', '0111'], ['1121']],
  ['same_digits', { maxSame: 2 }, ['1213151'], ['1213']],
  ['sequence', { sequences: { steps: [1], wrap: false } }, ['1234', '0123'], ['4321', '8901', '1357', '1235']],
  ['sequence', { sequences: { steps: [1], wrap: true } }, ['7890', '8901'], ['0987']],
  [
    'pattern',
    { patterns: ['ABAB', 'AABB', 'ABBA', 'ABCABC'] },
    ['1212', '1122', '1221', '123123'],
    ['1111', '1234', '12312', '112112', '12125', '112234', '1231239'],
  ],
  ['date', { dates: ['DDMM'] }, ['3112', '2902', '0101'], ['3113', '3102', '0001', '31121']],
  ['date', { dates: ['MMDD', 'YYYY'], years: { from: 1930, to: 2030 } }, ['1231', '1930', '2030'], ['1331', '1929', '2031']],
  ['date', { dates: ['DDMMYY'] }, ['311299'], ['991231']],
  ['keypad', { keypad: true }, ['2580', '1236', '1478'], ['1379', '1470', '2583']],
  ['user_data', { userData: true }, ['1985', '61985', '5551'], ['1986', '0198']],
  ['blocked', { blocklists: { '4': ['5683'], '5': ['12345'] } }, ['5683', '12345'], ['56830', '1234']],
  ['length', { length: { min: 5, max: 6 } }, ['1234', '1234567'], ['12345', '123456']],
])('%s: each rule refuses its own and nothing else', (rule, more, bad, good) => {
  for (const pin of bad) expect([pin, refused({ ...bare, ...more }, pin, ['1985', '+31 555-1'])]).toEqual([pin, [rule]])
  for (const pin of good) expect([pin, refused({ ...bare, ...more }, pin, ['1985', '+31 555-1'])]).toEqual([pin, []])
})

it('every violation is told at once, in one order', () => {
  expect(refused({ ...defaultPinPolicy, maxSame: 2, blocklists: { '4': ['1111'] } }, '1111', ['1111'])).toEqual([
    'length',
    'run',
    'same_digits',
    'user_data',
    'blocked',
  ])
  expect(checkPin(defaultPinPolicy, utf8('74092'))).toEqual({ ok: true, violations: [] })
})

it('more than 32 digits are refused unread; anything but ASCII digits is an error', () => {
  expect(checkPin(bare, utf8('x'.repeat(33)))).toEqual({ ok: false, violations: ['length'] })
  for (const pin of ['12a4', '', '１２３４', '12 4'])
    expect(() => checkPin(bare, utf8(pin))).toThrow(expect.objectContaining({ code: 'pin.not_digits' }))
})

it('the default policy refuses the PINs that it lists, at each of three lengths', () => {
  const lists = { '4': '2580 5683 1379 7410 0852', '5': '13579 24680 12369 14789 52013', '6': '159753 147258 520131' }
  for (const [length, pins] of Object.entries(lists)) {
    expect(defaultPinPolicy.blocklists[length]).toEqual(pins.split(' '))
    for (const pin of pins.split(' ')) expect(refused(defaultPinPolicy, pin)).toContain('blocked')
  }
})

it('the default policy parses; what is wrong in a policy is named', () => {
  expect(parsePinPolicy(JSON.stringify(defaultPinPolicy))).toEqual(defaultPinPolicy)
  for (const [more, pointer] of [
    [{ length: { min: 3, max: 6 } }, '/length/min'],
    [{ length: { min: 6, max: 5 } }, '/length/max'],
    [{ blocklists: { '4': ['12345'] } }, '/blocklists/4/0'],
    [{ maxRun: 0 }, '/maxRun'],
    [{ extra: 1 }, '/extra'],
    [{ sequences: { steps: [0], wrap: false } }, '/sequences/steps/0'],
  ] as const)
    expect(() => parsePinPolicy(JSON.stringify({ ...defaultPinPolicy, ...more }))).toThrow(
      expect.objectContaining({ code: 'pin.policy_invalid', reason: pointer }),
    )
})

describe.skipIf(missing)('published block lists', () => {
  it.each([
    ['pin/iOS-4-digit.txt', 274, '4'],
    ['pin/DD-4-digit-2740.txt', 2740, '4'],
    ['pin/iOS-6-digit.txt', 2910, '6'],
  ])('%s: exactly its %i PINs are refused', (file, size, length) => {
    const pins = vector(file).trim().split(/\s+/)
    const policy = parsePinPolicy(JSON.stringify({ ...bare, blocklists: { [length]: pins } }))
    expect(new Set(pins).size).toBe(size)
    const listed = new Set(pins)
    if (length === '4') expect(count(policy, 4)).toBe(size)
    else
      for (let i = 0; i < 10 ** 6; i += 997)
        expect(refused(policy, String(i).padStart(6, '0')).length > 0).toBe(listed.has(String(i).padStart(6, '0')))
  })
})
