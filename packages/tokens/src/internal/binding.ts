/** The cookie that binds a login to the browser it was begun in: 128 random bits, nothing else. */
import { encodeBase64url } from '@postern/core/base64url'
import type { IssuerContext } from '../issuer.js'

const VALUE = /^[A-Za-z0-9_-]{22}$/

/** Browsers refuse the `__Host-` prefix over plain http, which only loopback issuers may use. */
function nameOf({ issuer }: IssuerContext): string {
  return issuer.startsWith('https:') ? '__Host-postern' : 'postern'
}

/** The binding that the browser sent, or `null`. */
export function bindingOf(request: Request, context: IssuerContext): string | null {
  const name = nameOf(context)
  const values = (request.headers.get('cookie') ?? '')
    .split(/; */)
    .flatMap((pair) => (pair.startsWith(`${name}=`) ? [pair.slice(name.length + 1)] : []))
  // Two of one name would be somebody's planted one.
  return values.length === 1 && VALUE.test(values[0]!) ? values[0]! : null
}

export function newBinding({ runtime }: IssuerContext): string {
  return encodeBase64url(runtime.random(16))
}

export function bindingCookie(binding: string, context: IssuerContext): string {
  const secure = context.issuer.startsWith('https:') ? ' Secure;' : ''
  return `${nameOf(context)}=${binding}; Path=/;${secure} HttpOnly; SameSite=Lax`
}
