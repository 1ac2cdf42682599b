/** HTML as values: what is put into a template is text unless a template made it. There is no other way to write markup here. */

const MADE: unique symbol = Symbol('markup')

/** Markup that a template made. The mark is a symbol, so that nothing that came as JSON can carry it. */
export interface Html {
  readonly [MADE]: string
}

/** What a template takes: text and numbers are escaped, markup stands, lists are joined, nothing is nothing. */
export type Part = Html | string | number | null | undefined | false | readonly Part[]

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text for element content and quoted attributes; control characters and those that turn the reading direction become visible. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** A piece of markup. Values stand in element content or in quoted attributes, nowhere else. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { [MADE]: strings.map((text, i) => text + (i < parts.length ? markupOf(parts[i]) : '')).join('') }
}

/** The text of markup, for the response. */
export function markupOf(part: Part): string {
  if (part === null || part === undefined || part === false) return ''
  if (Array.isArray(part)) return (part as readonly Part[]).map(markupOf).join('')
  if (typeof part === 'object' && MADE in part) return part[MADE]
  // What types promise to be text may be anything in another's JSON.
  return escapeHtml(String(part))
}
