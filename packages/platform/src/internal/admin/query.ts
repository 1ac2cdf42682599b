/** Parameters of a request: declared ones alone, each once. One that is ignored would answer another question than was asked. */
import { PosternError } from '@postern/core/errors'

/** @throws PosternError `admin.invalid` */
export function readQuery(url: URL, known: readonly string[]): ReadonlyMap<string, string> {
  const out = new Map<string, string>()
  for (const [name, value] of url.searchParams) {
    if (!known.includes(name))
      throw invalid(known.length === 0 ? 'No parameter is taken here.' : `Parameters: ${known.join(', ')}.`)
    if (out.has(name)) throw invalid(`The parameter ${name} was sent more than once.`)
    if (value.length > 1024 || /[\u0000-\u001f\u007f]/.test(value)) throw invalid(`The parameter ${name} is not valid.`)
    out.set(name, value)
  }
  return out
}

/** `limit`, 1 to 1000. @throws PosternError `admin.invalid` */
export function limitOf(query: ReadonlyMap<string, string>, otherwise: number): number {
  const text = query.get('limit')
  if (text === undefined) return otherwise
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > 1000) throw invalid('limit is a number from 1 to 1000.')
  return Number(text)
}

/** `Link: <…>; rel="next"` (RFC 8288): the same question, further on. */
export function nextLink(base: string, path: string, query: ReadonlyMap<string, string>, after: string): Record<string, string> {
  const parameters = new URLSearchParams([...query].filter(([name]) => name !== 'after'))
  parameters.set('after', after)
  return { link: `<${base}${path}?${parameters}>; rel="next"` }
}

export function invalid(publicMessage: string): PosternError<'admin.invalid'> {
  return new PosternError('admin.invalid', { publicMessage })
}
