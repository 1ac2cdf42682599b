/** Operator pages over the admin API: drawn on the server, without a script, and without any other part of Postern than its HTTP. */
import { createApi, Unavailable } from './internal/api.js'
import { html } from './internal/html.js'
import { page } from './internal/page.js'
import { devicePage, devicesPage } from './internal/pages/devices.js'
import { eventsPage, type Filter, filters } from './internal/pages/events.js'
import { graphsPage, type Range, ranges } from './internal/pages/graphs.js'
import { policiesPage } from './internal/pages/policies.js'
import { pageResponse, pictureResponse, redirect, styleResponse } from './internal/respond.js'
import { css } from './internal/style.js'

export interface ConsoleOptions {
  /** Where the admin API's resources are: `https://bank.example/admin/v1`. */
  readonly adminUrl: string
  /** The bearer token of the operator who is looking. Its scopes decide what the pages show. */
  readonly token: () => string | Promise<string>
  /** What reaches the admin API; in one process, the platform's own handler. */
  readonly fetch: (input: Request | URL | string, init?: RequestInit) => Promise<Response>
  /** Where the host mounts it, such as `/console`; default the root. Stripped exactly once. */
  readonly basePath?: string
}

export interface Console {
  /** Answers GET and HEAD; never throws. Whom it lets in is the host's to decide before it is called. */
  readonly fetch: (request: Request) => Promise<Response>
}

/**
 * The console.
 * @throws TypeError for a `basePath` or `adminUrl` that is none
 */
export function createConsole(options: ConsoleOptions): Console {
  const base = options.basePath ?? ''
  if (!/^(?:\/[A-Za-z0-9._~-]+)*$/.test(base)) throw new TypeError('basePath is empty or a path without a trailing slash')
  if (!/^https?:$/.test(new URL(options.adminUrl).protocol)) throw new TypeError('adminUrl is an http or https address')
  const api = createApi(options)
  const frame = { base }

  async function answer(path: string, query: URLSearchParams): Promise<Response> {
    if (path === '' || path === '/') return redirect(`${base}/graphs`)
    if (path === '/console.css') return styleResponse(css)
    if (path === '/graphs') return pageResponse(await graphsPage(frame, api, rangeOf(query)), 200)
    const [, graph] = /^\/graphs\/([a-z][a-z0-9-]{0,63})\.svg$/.exec(path) ?? []
    if (graph !== undefined) return pictureResponse(await api.svg(`/graphs/${graph}.svg`, { range: rangeOf(query) }))
    if (path === '/policies') return pageResponse(await policiesPage(frame, api, query.get('id') ?? 'main'), 200)
    if (path === '/devices') return pageResponse(await devicesPage(frame, api, query.get('app'), query.get('after')), 200)
    const [, device] = /^\/devices\/([A-Za-z0-9._~-]{1,64})$/.exec(path) ?? []
    if (device !== undefined) return pageResponse(await devicePage(frame, api, device), 200)
    if (path === '/events') return pageResponse(await eventsPage(frame, api, filterOf(query)), 200)
    throw new Unavailable(404, 'Not found', 'There is no such page.')
  }

  return {
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url)
      let response: Response
      try {
        if (request.method !== 'GET' && request.method !== 'HEAD')
          throw new Unavailable(405, 'Not possible', 'These pages are for reading.')
        if (pathname !== base && !pathname.startsWith(`${base}/`))
          throw new Unavailable(404, 'Not found', 'There is no such page.')
        response = await answer(pathname.slice(base.length), searchParams)
      } catch (error) {
        const { status, title, message } =
          error instanceof Unavailable
            ? error
            : new Unavailable(502, 'Not available', 'The admin API did not answer as expected.')
        response = pageResponse(page(frame, null, title, html`<section class="card"><p>${message}</p></section>`), status)
        if (status === 405) response.headers.set('allow', 'GET, HEAD')
      }
      return request.method === 'HEAD' ? new Response(null, response) : response
    },
  }
}

function rangeOf(query: URLSearchParams): Range {
  const range = query.get('range')
  return ranges.find((known) => known === range) ?? '24h'
}

function filterOf(query: URLSearchParams): Filter {
  return Object.fromEntries(
    [...filters, 'after'].flatMap((name) => {
      const value = query.get(name)
      return value === null ? [] : [[name, value]]
    }),
  )
}
