/** Whether an `htu` means a URL: scheme, host and path after the normalisation of RFC 3986 §6.2.2 and §6.2.3. A query or fragment is malformed here. */
export function sameTarget(htu: string, configured: string): boolean {
  if (htu === configured) return true
  if (htu.length > 2048 || /[?#@\\\s]/.test(htu)) return false
  const given = normal(htu)
  return given !== null && given === normal(configured)
}

function normal(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, host, pathname } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return null
  return `${protocol}//${host}${pathname.replace(/%[0-9a-fA-F]{2}/g, unreserved)}`
}

function unreserved(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
  return /[A-Za-z0-9._~-]/.test(character) ? character : triplet.toUpperCase()
}
