/** The frame of every page: where you are, where you can go, and what this page is about. */
import { type Html, html, type Part } from './html.js'

export interface Frame {
  /** Where the console is mounted; empty at the root. */
  readonly base: string
}

const places = [
  ['graphs', 'Graphs'],
  ['policies', 'Policies'],
  ['devices', 'Devices'],
  ['events', 'Events'],
] as const
export type Place = (typeof places)[number][0]

/** A page of the console. */
export function page({ base }: Frame, here: Place | null, title: string, content: Part, aside: Part = null): Html {
  return html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${title} · Postern</title><link rel="stylesheet" href="${base}/console.css"></head><body><a class="skip" href="#content">Skip to content</a><header class="bar"><a class="brand" href="${base}/graphs"><span class="gate" aria-hidden="true"></span>Postern</a><nav aria-label="Console"><ul>${places.map(
    ([place, name]) => html`<li><a href="${base}/${place}"${place === here ? current : null}>${name}</a></li>`,
  )}</ul></nav></header><main id="content" tabindex="-1"><div class="head"><h1>${title}</h1>${aside}</div>${content}</main><footer>All times are UTC.</footer></body></html>`
}

const current: Html = /* @__PURE__ */ html` aria-current="page"`

/** A label with its value, in a list of them. */
export function fact(name: string, value: Part): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}

/** A table that can be scrolled by keyboard where it is wider than its place. */
export function scrolled(label: string, table: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>`
}

/** A word with a tone; the word says it, the colour repeats it. */
export function tag(word: string, tone: 'good' | 'bad' | 'warn' | 'plain'): Html {
  return html`<span class="tag ${tone}">${word}</span>`
}

/** What stands where there is nothing to show. */
export function nothing(text: string): Html {
  return html`<p class="nothing">${text}</p>`
}
