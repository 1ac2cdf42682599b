const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/** Whether a URL may be called back: https (http on a loopback host alone), no credentials, no fragment, ≤ 2,048 characters. */
export function isCallbackUrl(url: string): boolean {
  if (url.length > 2048 || url.includes('#') || !URL.canParse(url)) return false
  const { protocol, hostname, username, password } = new URL(url)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}
