/** URLs that strangers name: of public hosts alone, whoever may one day load them (T44). */

/** Names that mean a machine at hand, wherever they are looked up (RFC 6761, RFC 6762, RFC 8375). */
const PRIVATE = /(?:^|\.)(?:localhost|local|localdomain|internal|intranet|lan|home|corp|private|home\.arpa|onion|invalid|test)$/
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/

/** Whether a URL is https, without credentials or fragment, of a host with a public name: no address in any spelling, no name of one label. */
export function isPublicUrl(url: string): boolean {
  if (url.length > 1024 || !/^https:\/\/[\x21-\x7e]+$/.test(url) || url.includes('#') || !URL.canParse(url)) return false
  const { hostname, username, password } = new URL(url)
  // The URL parser writes every spelling of an address in digits, or in brackets, and neither is a name.
  return username === '' && password === '' && HOST.test(hostname) && !PRIVATE.test(hostname)
}
