/** The policy in force: its rules as they decide, and who put it there. */
import type { Api } from '../api.js'
import { short, time } from '../format.js'
import { type Html, html } from '../html.js'
import { type Frame, fact, nothing, page, scrolled, tag } from '../page.js'

interface Rule {
  readonly id: string
  readonly effect: string
  readonly mode: string
  readonly reason?: string
  readonly when?: Readonly<Record<string, unknown>>
  readonly anyOf?: readonly Readonly<Record<string, unknown>>[]
  readonly require?: unknown
}
interface Document {
  readonly zone: string
  readonly acr: { readonly levels: Readonly<Record<string, number>> }
  readonly rules: readonly Rule[]
}
interface Entry {
  readonly version: string
  readonly previous: string | null
  readonly kind: string
  readonly at: number
  readonly by: string
}

export async function policiesPage(frame: Frame, api: Api, id: string): Promise<Html> {
  const path = `/policies/${encodeURIComponent(id)}`
  const [{ body: head }, { body: past }] = await Promise.all([
    api.json<{ version: string; document: Document }>(path),
    api.json<{ versions: readonly Entry[] }>(`${path}/versions`),
  ])
  const { document } = head
  const facts = html`<dl class="facts">${fact('Policy', id)}${fact('Version in force', html`<code title="${head.version}">${short(head.version)}</code>`)}${fact('Rules', document.rules.length)}${fact('Time zone', document.zone)}${fact(
    'Levels',
    Object.entries(document.acr.levels).map(([methods, level]) => html`<span class="chip">${methods} <b>${level}</b></span>`),
  )}</dl>`
  return page(frame, 'policies', 'Policies', [
    html`<section class="card">${facts}</section>`,
    html`<section class="card" aria-labelledby="rules"><h2 id="rules">Rules</h2>${scrolled('Rules', rules(document.rules))}</section>`,
    html`<section class="card" aria-labelledby="past"><h2 id="past">Publications</h2>${past.versions.length === 0 ? nothing('Nothing was published yet.') : scrolled('Publications', entries(past.versions, head.version))}</section>`,
  ])
}

function rules(all: readonly Rule[]): Html {
  return html`<table><caption>Every rule of the version in force</caption><thead><tr><th scope="col">Rule</th><th scope="col">Effect</th><th scope="col">Reason</th><th scope="col">When</th></tr></thead><tbody>${all.map(
    (rule) =>
      html`<tr><th scope="row">${rule.id}${rule.mode === 'enforce' ? null : html` ${tag(rule.mode, 'warn')}`}</th><td>${tag(rule.effect, tones[rule.effect] ?? 'plain')}${rule.require === undefined ? null : html`<br><code>${JSON.stringify(rule.require)}</code>`}</td><td>${rule.reason ?? '–'}</td><td>${boxes(rule)}</td></tr>`,
  )}</tbody></table>`
}

const tones: Readonly<Record<string, 'good' | 'bad' | 'warn'>> = { allow: 'good', deny: 'bad', require: 'warn' }

function boxes({ when, anyOf }: Rule): Html {
  const box = (one: Readonly<Record<string, unknown>>): Html =>
    html`<ul class="box">${Object.entries(one).map(([name, value]) => html`<li><code>${name}</code> ${JSON.stringify(value)}</li>`)}</ul>`
  if (when === undefined && anyOf === undefined) return html`<span class="muted">always</span>`
  return html`${when === undefined ? null : box(when)}${anyOf === undefined ? null : html`<p class="muted">and any of</p>${anyOf.map(box)}`}`
}

function entries(all: readonly Entry[], head: string): Html {
  return html`<table><caption>Publications and returns, newest first</caption><thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">By</th><th scope="col">Version</th><th scope="col">Instead of</th></tr></thead><tbody>${all.map(
    ({ at, kind, by, version, previous }) =>
      html`<tr><th scope="row">${time(at)}</th><td>${kind}</td><td>${by}</td><td><code title="${version}">${short(version)}</code>${version === head ? html` ${tag('in force', 'good')}` : null}</td><td><code>${short(previous)}</code></td></tr>`,
  )}</tbody></table>`
}
