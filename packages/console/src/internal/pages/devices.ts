/** Devices: the installations of an app, page by page, and one of them in full. */
import type { Api } from '../api.js'
import { time } from '../format.js'
import { type Html, html } from '../html.js'
import { type Frame, fact, nothing, page, scrolled, tag } from '../page.js'

interface Device {
  readonly client_id: string
  readonly app: string
  readonly app_version: string
  readonly app_platform: string
  readonly os_version: string | null
  readonly device_model: string | null
  readonly status: string
  readonly created_at: number
  readonly evidence: Readonly<Record<string, unknown>>
  readonly evidence_at: number
}
interface App {
  readonly id: string
  readonly name: string
}

const tones: Readonly<Record<string, 'good' | 'bad' | 'warn'>> = { active: 'good', locked: 'warn', removed: 'bad' }

export async function devicesPage(frame: Frame, api: Api, app: string | null, after: string | null): Promise<Html> {
  const { apps } = (await api.json<{ apps: readonly App[] }>('/apps')).body
  const shown = app ?? apps[0]?.id ?? null
  if (shown === null) return page(frame, 'devices', 'Devices', nothing('No app is set up yet.'))
  const { body, next } = await api.json<{ devices: readonly Device[] }>('/devices', { app: shown, limit: '50', after })
  const tabs = html`<nav class="tabs" aria-label="App">${apps.map(({ id, name }) =>
    id === shown
      ? html`<a href="?${query({ app: id })}" aria-current="true">${name}</a>`
      : html`<a href="?${query({ app: id })}">${name}</a>`,
  )}</nav>`
  const more =
    next === null ? null : html`<p class="more"><a class="button" href="?${query({ app: shown, after: next })}">Next page</a></p>`
  const table = body.devices.length === 0 ? nothing('No device here.') : scrolled('Devices', list(frame, body.devices))
  return page(frame, 'devices', 'Devices', html`<section class="card">${table}${more}</section>`, tabs)
}

function list({ base }: Frame, devices: readonly Device[]): Html {
  return html`<table><caption>Installations, by id</caption><thead><tr><th scope="col">Device</th><th scope="col">Status</th><th scope="col">App version</th><th scope="col">System</th><th scope="col">Model</th><th scope="col">Since</th></tr></thead><tbody>${devices.map(
    (d) =>
      html`<tr><th scope="row"><a href="${base}/devices/${encodeURIComponent(d.client_id)}"><code>${d.client_id}</code></a></th><td>${tag(d.status, tones[d.status] ?? 'plain')}</td><td>${d.app_version}</td><td>${d.app_platform} ${d.os_version ?? ''}</td><td>${d.device_model ?? '–'}</td><td>${time(d.created_at)}</td></tr>`,
  )}</tbody></table>`
}

export async function devicePage(frame: Frame, api: Api, id: string): Promise<Html> {
  const { body: d } = await api.json<Device>(`/devices/${encodeURIComponent(id)}`)
  return page(
    frame,
    'devices',
    'Device',
    [
      html`<section class="card"><dl class="facts">${fact('Id', html`<code>${d.client_id}</code>`)}${fact('Status', tag(d.status, tones[d.status] ?? 'plain'))}${fact('App', `${d.app} ${d.app_version}`)}${fact('System', `${d.app_platform} ${d.os_version ?? ''}`)}${fact('Model', d.device_model ?? '–')}${fact('Since', time(d.created_at))}</dl></section>`,
      html`<section class="card" aria-labelledby="evidence"><h2 id="evidence">Evidence</h2><p class="muted">As of ${time(d.evidence_at)}</p>${scrolled(
        'Evidence',
        html`<table><caption>What the evidence of this installation says</caption><thead><tr><th scope="col">Fact</th><th scope="col">Value</th></tr></thead><tbody>${Object.entries(d.evidence).map(([name, value]) => html`<tr><th scope="row"><code>${name}</code></th><td>${String(value)}</td></tr>`)}</tbody></table>`,
      )}</section>`,
    ],
    html`<a class="button" href="${frame.base}/events?${query({ device: d.client_id })}">Its events</a>`,
  )
}

function query(parameters: Readonly<Record<string, string>>): string {
  return String(new URLSearchParams(parameters))
}
