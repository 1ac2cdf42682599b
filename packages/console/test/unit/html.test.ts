import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { escapeHtml, html, markupOf } from '../../src/internal/html.js'

const runs = Number(process.env.POSTERN_RUNS ?? 100)

it('whatever text is put into a template stays text', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const markup = markupOf(html`<a title="${text}">${text}</a>`)
      const inside = /^<a title="([^"<>']*)">([^"<>']*)<\/a>$/.exec(markup)
      expect(inside).not.toBeNull()
      expect(inside![1]).toBe(inside![2])
    }),
    { numRuns: runs },
  ))

it('what could hide or turn text around is made visible', () => {
  expect(escapeHtml('a\u202eb\u0000c')).toBe('a\ufffdb\ufffdc')
})

it('markup is only what a template made: an object from JSON is text, whatever its members are called', () => {
  expect(markupOf(html`${html`<b>`}${[html`<i>`, 'x<']}${null}${false}${0}`)).toBe('<b><i>x&lt;0')
  expect(markupOf(html`${JSON.parse('{"markup":"<script>"}')}${JSON.parse('["<a>"]')}`)).toBe('[object Object]&lt;a&gt;')
})
