/** The canonical form of documents, beside the package of RFC 8785's author. */
import { fromUtf8 } from '@postern/core/bytes'
import { parseDocument } from '@postern/policy/document'
import { mobileSpec, starterDocument } from '@postern/policy/mobile'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { rules } from '../arbitraries.js'
import { doc } from '../small.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const serialise = canonicalize as unknown as (value: unknown) => string

it('is what canonicalize writes, whatever the order of members and the text in them', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => s.length <= 256)
  fc.assert(
    fc.property(rules, text, fc.integer({ min: 0, max: 9 }), (found, message, number) => {
      const document = doc(
        found.map((rule) => ({ message, ...rule })),
        { fixtures: [{ name: message, facts: { n: number, [message]: [message, null, -number] }, expect: { outcome: 'deny' } }] },
      )
      const shuffled = Object.fromEntries(Object.entries(document).reverse())
      let parsed: ReturnType<typeof parseDocument>
      try {
        parsed = parseDocument(JSON.stringify(shuffled, null, 2))
      } catch {
        // Refused text (a lone surrogate, a prototype's name) has no canonical form.
        return fc.pre(false)
      }
      expect(fromUtf8(parsed.bytes)).toBe(serialise(document))
    }),
    { numRuns },
  )
})

it('is that of the starter document and of the mobile schema', () => {
  const draft = starterDocument({
    id: 'retail',
    schema: 'sha256:x',
    levels: { pin: 1, 'device-key+pin': 2 },
    login: 1,
    confirm: 2,
  })
  expect(fromUtf8(parseDocument(draft).bytes)).toBe(serialise(draft))
  expect(JSON.parse(serialise(mobileSpec))).toEqual(JSON.parse(JSON.stringify(mobileSpec)))
})
