/// <reference types="node" />
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { graphOf, graphs } from '../../src/graphs.js'
import type { Table } from '../../src/query.js'
import { graphsCss, renderSvg, standaloneStyleHash } from '../../src/svg.js'
import { renderTable } from '../../src/table.js'

const DAY = 86_400_000
const from = Date.UTC(2026, 9, 1)
const small: Table = {
  graph: 'pin',
  from,
  to: from + 4 * DAY,
  stepMs: DAY,
  series: [
    { label: 'Succeeded', group: '', values: [120, 131, null, 128], total: 379, of: 391, approx: false },
    { label: 'Failed', group: '', values: [3, 5, null, 4], total: 12, of: 391, approx: false },
  ],
}
const label = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('<script>', ']]>', '"&\'', '\u0000\u0008', '\ud800', '\u202ex'),
)
const anyTable: fc.Arbitrary<Table> = fc.integer({ min: 1, max: 60 }).chain((n) =>
  fc.record({
    graph: fc.constant('pin'),
    from: fc.constant(from),
    to: fc.constant(from + n * DAY),
    stepMs: fc.constant(DAY),
    series: fc.array(
      fc.record({
        label,
        group: fc.constantFrom('', 'A & B', '<g>'),
        values: fc.array(fc.option(fc.nat(1e9)), { minLength: n, maxLength: n }),
        total: fc.nat(1e9),
        of: fc.nat(1e9),
        approx: fc.boolean(),
      }),
      { maxLength: 12 },
    ),
  }),
)

const allowed: Readonly<Record<string, readonly string[]>> = {
  svg: ['xmlns', 'viewBox', 'width', 'height', 'role', 'aria-labelledby', 'font-family', 'font-size'],
  title: ['id'],
  desc: ['id'],
  style: [],
  defs: [],
  pattern: ['id', 'width', 'height', 'patternUnits'],
  rect: ['class', 'fill', 'x', 'y', 'width', 'height', 'rx'],
  path: [
    'class',
    'fill',
    'stroke',
    'd',
    'stroke-width',
    'stroke-opacity',
    'stroke-linejoin',
    'stroke-linecap',
    'stroke-dasharray',
    'fill-opacity',
  ],
  circle: ['class', 'fill', 'cx', 'cy', 'r'],
  text: ['class', 'fill', 'x', 'y', 'text-anchor', 'font-size', 'font-weight'],
  tspan: ['class', 'fill', 'font-weight', 'dx'],
}

/** A small strict reader: balanced, quoted once, escaped, nothing but the allowed elements and attributes. */
function wellFormed(xml: string): void {
  const open: string[] = []
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z:-]+="[^"<]*")*)(\/?)>|([^<]+)/gy
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex
    const match = token.exec(xml)
    expect(match, `at ${xml.slice(at, at + 60)}`).not.toBeNull()
    const [, closing, name, attributes, empty, text] = match!
    for (const part of [text ?? '', attributes ?? '']) {
      expect(part.replace(/&(amp|lt|gt|quot|#39);/g, '')).not.toContain('&')
      expect(
        /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(
          part,
        ),
      ).toBe(false)
    }
    if (text !== undefined) continue
    if (closing === '/') expect(open.pop()).toBe(name)
    else {
      expect(Object.keys(allowed)).toContain(name)
      const names = [...attributes!.matchAll(/ ([a-zA-Z:-]+)=/g)].map((m) => m[1]!)
      expect(new Set(names).size).toBe(names.length)
      for (const attribute of names) expect(allowed[name!], `${name} ${attribute}`).toContain(attribute)
      if (empty === '') open.push(name!)
    }
  }
  expect(open).toEqual([])
}

describe('SVG', () => {
  it('is the same bytes for the same table', () => {
    for (const g of graphs)
      expect(renderSvg(g, small, { mode: 'inline' })).toBe(renderSvg(g, structuredClone(small), { mode: 'inline' }))
  })

  it('has not changed since it was last looked at', () => {
    for (const kind of ['pin', 'versions', 'anomalies'])
      expect(renderSvg(graphOf(kind)!, small, { mode: 'standalone' })).toMatchSnapshot()
  })

  it('is well-formed, within the allowed elements and attributes, for any table, kind and width', () =>
    fc.assert(
      fc.property(
        anyTable,
        fc.constantFrom(...graphs),
        fc.constantFrom('inline' as const, 'standalone' as const),
        fc.integer({ min: -5, max: 5000 }),
        (table, g, mode, width) => {
          const svg = renderSvg(g, table, { mode, width })
          wellFormed(svg)
          expect(svg).not.toContain('NaN')
          expect(svg.includes('<style>')).toBe(mode === 'standalone')
        },
      ),
      { numRuns: 40 },
    ))

  it('has a title and a description that say what is seen, with ids of the caller', () => {
    const svg = renderSvg(graphOf('pin')!, small, { mode: 'inline', id: 'left' })
    expect(svg).toContain('role="img" aria-labelledby="left-pin-t left-pin-d"')
    expect(svg).toContain('<title id="left-pin-t">PIN success and failure</title>')
    expect(svg).toContain('3.1 % of 391 tries failed; most on 2 Oct 2026 (5 that day).')
    expect(renderSvg(graphOf('pin')!, small, { mode: 'inline', id: '"><script>' })).toContain(
      'aria-labelledby="pg-pin-t pg-pin-d"',
    )
  })

  it('tells series apart without colour: a dash, a marker and a label each; a gap breaks the line', () => {
    const svg = renderSvg(graphOf('pin')!, small, { mode: 'inline' })
    expect(svg).toContain('stroke-dasharray="7 4"')
    expect(svg).toContain('>Succeeded</text>')
    expect(svg).toContain('>Failed</text>')
    const line = /class="pg-l0"[^>]* d="([^"]+)"/.exec(svg)![1]!
    expect(line.match(/M/g)!.length).toBe(2)
  })

  it('says in words that nothing was counted', () => {
    const none = { ...small, series: small.series.map((s) => ({ ...s, values: [0, 0, 0, 0], total: 0 })) }
    expect(renderSvg(graphOf('pin')!, none, { mode: 'inline' })).toContain('No tries in this range.')
  })

  it('draws 5,000 points as no more than two a pixel', () => {
    const values = Array.from({ length: 5000 }, (_, i) => (i * 7919) % 1000)
    const svg = renderSvg(
      graphOf('pin')!,
      { ...small, to: from + 5000 * 60_000, stepMs: 60_000, series: [{ ...small.series[0]!, values }] },
      { mode: 'inline' },
    )
    expect(/class="pg-l0"[^>]* d="([^"]+)"/.exec(svg)![1]!.split('L').length).toBeLessThan(2 * 720)
  })

  it('the hash for a content security policy is that of the one constant style', () => {
    expect(standaloneStyleHash).toBe(`sha256-${createHash('sha256').update(graphsCss).digest('base64')}`)
    expect(renderSvg(graphOf('pin')!, small, { mode: 'standalone' })).toContain(`<style>${graphsCss}</style>`)
  })

  it('marks have 3:1 and text 4.5:1 against their ground, in both themes', () => {
    const themes = graphsCss.split('@media')
    for (const css of themes) {
      const colourOf = (name: string) => new RegExp(`\\.pg-${name}\\{(?:fill|stroke):(#[0-9a-f]{6})\\}`).exec(css)![1]!
      const ground = colourOf('ground')
      for (const name of ['text', 'muted']) expect(contrast(colourOf(name), ground)).toBeGreaterThanOrEqual(4.5)
      for (let i = 0; i < 10; i++) expect(contrast(colourOf(`f${i}`), ground), `f${i}`).toBeGreaterThanOrEqual(3)
      expect(contrast(colourOf('axis'), ground)).toBeGreaterThanOrEqual(3)
    }
  })

  const xmllint = spawnSync('xmllint', ['--version']).status === 0
  it.skipIf(!xmllint && process.env.POSTERN_REQUIRE !== 'all')('xmllint reads every graph without a complaint', () => {
    for (const g of graphs) {
      const { status, stderr } = spawnSync('xmllint', ['--noout', '-'], { input: renderSvg(g, small, { mode: 'standalone' }) })
      expect(stderr.toString()).toBe('')
      expect(status).toBe(0)
    }
  })
})

describe('HTML table', () => {
  it('has a caption, scoped headers and the numbers of the graph; a gap is said', () => {
    const html = renderTable(graphOf('pin')!, small)
    expect(html).toContain('<caption>PIN success and failure, 1 Oct 2026 to 4 Oct 2026 UTC</caption>')
    expect(html).toContain('<th scope="row">2 Oct 2026</th><td>131</td><td>5</td>')
    expect(html).toContain('<th scope="row">3 Oct 2026</th><td>not counted</td><td>not counted</td>')
    expect(html).toContain('<tfoot><tr><th scope="row">Whole range</th><td>379</td><td>12</td></tr></tfoot>')
  })

  it('escapes every label', () =>
    fc.assert(
      fc.property(anyTable, fc.constantFrom(...graphs), (table, g) => {
        expect(renderTable(g, table)).not.toMatch(/<(?!\/?(table|caption|thead|tbody|tfoot|tr|th|td)\b)/)
      }),
      { numRuns: 50 },
    ))
})

/** WCAG 2.2 contrast ratio. */
function contrast(a: string, b: string): number {
  const light = (hex: string) => {
    const [r, g, bl] = [1, 3, 5]
      .map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number]
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl
  }
  const [x, y] = [light(a), light(b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}
