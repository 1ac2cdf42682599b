/** The admin API as the pages use it: reads, with the operator's token, and errors that a person can act on. */

/** A read that did not give what was asked for. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly status: number
  readonly title: string
  constructor(status: number, title: string, message: string) {
    super(message)
    this.status = status
    this.title = title
  }
}

export interface Api {
  /** @throws Unavailable */
  json<T>(
    path: string,
    query?: Readonly<Record<string, string | null>>,
  ): Promise<{ readonly body: T; readonly next: string | null }>
  /** @throws Unavailable */
  svg(path: string, query: Readonly<Record<string, string | null>>): Promise<string>
}

type Fetch = (input: Request | URL | string, init?: RequestInit) => Promise<Response>

export function createApi(o: { adminUrl: string; token: () => string | Promise<string>; fetch: Fetch }): Api {
  const base = o.adminUrl.replace(/\/$/, '')

  async function get(path: string, query: Readonly<Record<string, string | null>>, accept: string): Promise<Response> {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
    )
    const search = parameters.size === 0 ? '' : `?${parameters}`
    let answer: Response
    try {
      const headers = { accept, authorization: `Bearer ${await o.token()}` }
      // A redirect is not ok and so refused: Workers have no `error`.
      answer = await o.fetch(`${base}${path}${search}`, { headers, redirect: 'manual' })
    } catch {
      throw new Unavailable(502, 'No connection', 'The admin API cannot be reached.')
    }
    if (answer.ok) return answer
    await answer.body?.cancel()
    if (answer.status === 401) throw new Unavailable(401, 'Not signed in', 'The operator token was not accepted; sign in again.')
    if (answer.status === 403) throw new Unavailable(403, 'Not allowed', 'Your role does not include this page.')
    if (answer.status === 404) throw new Unavailable(404, 'Not found', 'There is no such entry.')
    if (answer.status === 400) throw new Unavailable(400, 'Not understood', 'A filter or an address is not valid.')
    throw new Unavailable(502, 'Not available', `The admin API answered with status ${answer.status}.`)
  }

  return {
    async json<T>(path: string, query: Readonly<Record<string, string | null>> = {}) {
      const answer = await get(path, query, 'application/json')
      try {
        return { body: (await answer.json()) as T, next: nextOf(answer.headers.get('link')) }
      } catch {
        throw new Unavailable(502, 'Not available', 'The admin API did not answer in JSON.')
      }
    },
    async svg(path, query) {
      const answer = await get(path, query, 'image/svg+xml')
      if (answer.headers.get('content-type') !== 'image/svg+xml')
        throw new Unavailable(502, 'Not available', 'The admin API did not answer with a picture.')
      return answer.text()
    },
  }
}

/** The cursor of `Link: <…?after=…>; rel="next"` (RFC 8288). */
function nextOf(link: string | null): string | null {
  const [, query] = /^<[^>?]*\?([^>]*)>; rel="next"$/.exec(link ?? '') ?? []
  return query === undefined ? null : new URLSearchParams(query).get('after')
}
