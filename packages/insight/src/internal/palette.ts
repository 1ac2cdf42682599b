/** Colours of both themes. Marks have 3:1, text 4.5:1 against their ground; series also differ by dash, marker or hatch and by label. */

const light = { ground: '#ffffff', text: '#16202c', muted: '#556270', grid: '#e3e8ee', axis: '#8492a2' }
const dark: typeof light = { ground: '#10161d', text: '#eef2f6', muted: '#a5b1be', grid: '#26303b', axis: '#6d7a89' }
const lightSeries = ['#1261a6', '#c2410c', '#0f766e', '#7c3aad', '#86690a', '#be1e5c', '#4b5a6a', '#3f6212', '#9a3412', '#5b5bd6']
const darkSeries = ['#62b0f5', '#fb9a63', '#4ecdc0', '#c79bf0', '#dcbc4a', '#f583ad', '#a9b7c6', '#a3cf62', '#e8a887', '#a5a5f7']

/** How many series have a look of their own; more begin again. */
export const looks: number = lightSeries.length

const rules = (theme: typeof light, series: readonly string[]): string =>
  [
    `.pg-ground{fill:${theme.ground}}`,
    `.pg-text{fill:${theme.text}}`,
    `.pg-muted{fill:${theme.muted}}`,
    `.pg-grid{stroke:${theme.grid}}`,
    `.pg-axis{stroke:${theme.axis}}`,
    `.pg-hatch{stroke:${theme.ground}}`,
    ...series.flatMap((colour, i) => [`.pg-l${i}{stroke:${colour}}`, `.pg-f${i}{fill:${colour}}`]),
  ].join('')

/** Both themes by `prefers-color-scheme`. */
export const styleText: string = `${rules(light, lightSeries)}@media (prefers-color-scheme:dark){${rules(dark, darkSeries)}}`

/** The light theme as presentation attributes, so that a picture without its style sheet is still one. */
export const attribute: {
  readonly ground: string
  readonly text: string
  readonly muted: string
  readonly grid: string
  readonly axis: string
  readonly hatch: string
  line(i: number): string
  fill(i: number): string
} = {
  ground: `class="pg-ground" fill="${light.ground}"`,
  text: `class="pg-text" fill="${light.text}"`,
  muted: `class="pg-muted" fill="${light.muted}"`,
  grid: `class="pg-grid" stroke="${light.grid}"`,
  axis: `class="pg-axis" stroke="${light.axis}"`,
  hatch: `class="pg-hatch" stroke="${light.ground}"`,
  line: (i) => `class="pg-l${i % looks}" stroke="${lightSeries[i % looks]}"`,
  fill: (i) => `class="pg-f${i % looks}" fill="${lightSeries[i % looks]}"`,
}

/** One dash a series; the first is solid. */
export const dashes: readonly string[] = ['', '7 4', '2 4', '10 4 2 4', '5 3', '12 5', '1 3', '8 3 2 3 2 3', '4 6', '14 4 4 4']
