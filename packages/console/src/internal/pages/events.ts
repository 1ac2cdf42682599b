/** Events: what happened, newest first, by any of its marks. */
import type { Api } from '../api.js'
import { time } from '../format.js'
import { type Html, html } from '../html.js'
import { type Frame, nothing, page, scrolled, tag } from '../page.js'

/** Filters of the page, by the API's names. */
export const filters = ['type', 'outcome', 'subject', 'device', 'app', 'from', 'to'] as const
export type Filter = Readonly<Partial<Record<(typeof filters)[number] | 'after', string>>>

interface Event {
  readonly id: string
  readonly at: number
  readonly type: string
  readonly outcome: string
  readonly subject?: string
  readonly device?: string
  readonly app?: string
  readonly operator?: string
  readonly reason?: string
  readonly risk?: { readonly score: number; readonly band: string }
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

const tones: Readonly<Record<string, 'good' | 'bad' | 'warn'>> = { success: 'good', failure: 'warn', refused: 'bad' }
const labels: Readonly<Record<(typeof filters)[number], string>> = {
  type: 'Type',
  outcome: 'Outcome',
  subject: 'User',
  device: 'Device',
  app: 'App',
  from: 'From',
  to: 'To',
}
const hints: Readonly<Partial<Record<(typeof filters)[number], string>>> = {
  type: 'login.failed',
  from: '2026-01-05T09:00:00Z',
  to: '2026-01-06T09:00:00Z',
}

export async function eventsPage(frame: Frame, api: Api, filter: Filter): Promise<Html> {
  const asked = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''))
  const { body, next } = await api.json<{ events: readonly Event[] }>('/events', { ...asked, limit: '50' })
  const more =
    next === null ? null : html`<p class="more"><a class="button" href="?${search({ ...asked, after: next })}">Older</a></p>`
  const table =
    body.events.length === 0 ? nothing('Nothing happened that fits these filters.') : scrolled('Events', list(body.events, asked))
  return page(frame, 'events', 'Events', [form(frame, filter), html`<section class="card">${table}${more}</section>`])
}

function form({ base }: Frame, filter: Filter): Html {
  const field = (name: (typeof filters)[number]): Html =>
    name === 'outcome'
      ? html`<label>${labels[name]}<select name="outcome">${['', 'success', 'failure', 'refused'].map((value) => (value === (filter.outcome ?? '') ? html`<option value="${value}" selected>${value || 'any'}</option>` : html`<option value="${value}">${value || 'any'}</option>`))}</select></label>`
      : html`<label>${labels[name]}<input name="${name}" value="${filter[name] ?? ''}" placeholder="${hints[name] ?? ''}" maxlength="255" autocomplete="off" spellcheck="false"></label>`
  return html`<form class="card filters" method="get" action="${base}/events">${filters.map(field)}<div class="actions"><button>Show</button><a href="${base}/events">Clear</a></div></form>`
}

function list(events: readonly Event[], asked: Readonly<Record<string, string>>): Html {
  const by = (name: string, value: string | undefined): Html | string =>
    value === undefined ? '' : html`<a href="?${search({ ...without(asked, 'after'), [name]: value })}">${value}</a>`
  return html`<table><caption>Newest first</caption><thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Outcome</th><th scope="col">User</th><th scope="col">Device</th><th scope="col">More</th></tr></thead><tbody>${events.map(
    (e) =>
      html`<tr><th scope="row" title="${e.id}">${time(e.at)}</th><td>${by('type', e.type)}</td><td>${tag(e.outcome, tones[e.outcome] ?? 'plain')}</td><td>${by('subject', e.subject)}</td><td>${e.device === undefined ? '' : html`<a href="?${search({ ...without(asked, 'after'), device: e.device })}"><code class="id" title="${e.device}">${e.device.slice(0, 8)}…</code></a>`}</td><td>${more(e)}</td></tr>`,
  )}</tbody></table>`
}

function more(e: Event): readonly Html[] {
  const all: (readonly [string, string])[] = []
  if (e.reason !== undefined) all.push(['reason', e.reason])
  if (e.operator !== undefined) all.push(['operator', e.operator])
  if (e.app !== undefined) all.push(['app', e.app])
  if (e.risk !== undefined) all.push(['risk', `${e.risk.score}, ${e.risk.band}`])
  for (const [name, value] of Object.entries(e.detail ?? {})) all.push([name, String(value)])
  return all.map(([name, value]) => html`<span class="chip"><span class="muted">${name}</span> ${value}</span> `)
}

function without(asked: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(asked).filter(([other]) => other !== name))
}

function search(parameters: Readonly<Record<string, string>>): string {
  return String(new URLSearchParams(parameters))
}
