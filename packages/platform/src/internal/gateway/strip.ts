/** Headers a caller must not bring along: hop-by-hop ones, credentials, and every name an upstream takes for the gateway's word. */

const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'trailer']
const credentials = ['authorization', 'dpop', 'cookie', 'proxy-authorization']
const trusted = [
  /^forwarded$/,
  /^x-forwarded-/,
  /^x-real-ip$/,
  /^x-original-/,
  /^x-rewrite-url$/,
  /^x-http-method/,
  /^proxy-/,
  /^postern-/,
  /^x-client-cert/,
]

/**
 * The headers that go on: a fresh list without what a caller must not set.
 * @param own - further names, lower case, that only the gateway's `map` may write
 * @see RFC 9110 §7.6.1; platform.md §3.7 step 5
 */
export function stripHeaders(headers: Headers, own: readonly string[] = []): Headers {
  const named = (headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const refused = new Set([...hopByHop, ...credentials, ...named, ...own])
  const out = new Headers()
  for (const [name, value] of headers) {
    // An underscore reads as a hyphen in CGI-like upstreams, so `x_forwarded_for` would pass for the trusted name.
    if (refused.has(name) || name.includes('_') || trusted.some((pattern) => pattern.test(name))) continue
    out.append(name, value)
  }
  return out
}

/** The headers of an upstream's answer that may travel on. */
export function stripAnswer(headers: Headers): Headers {
  const named = (headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const out = new Headers()
  for (const [name, value] of headers)
    if (!hopByHop.includes(name) && !named.includes(name) && name !== 'server' && name !== 'set-cookie') out.append(name, value)
  return out
}
