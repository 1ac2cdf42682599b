/** Responses of the console: nothing may run, frame, be framed, sniffed or kept (H20). */
import { type Html, markupOf } from './html.js'

/** No script at all, styles and pictures from here alone. */
const csp = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

const safe = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** A whole page. */
export function pageResponse(page: Html, status: number): Response {
  return send(`<!doctype html>${markupOf(page)}`, 'text/html; charset=utf-8', { 'content-security-policy': csp }, status)
}

/** A picture, which is a document of its own when it is opened alone. */
export function pictureResponse(svg: string): Response {
  return send(svg, 'image/svg+xml', {
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; sandbox",
  })
}

export function styleResponse(css: string): Response {
  return send(css, 'text/css; charset=utf-8', { 'content-security-policy': csp })
}

export function redirect(location: string): Response {
  return new Response(null, { status: 303, headers: { ...safe, 'content-security-policy': csp, location } })
}

function send(body: string, type: string, headers: Readonly<Record<string, string>>, status = 200): Response {
  return new Response(body, { status, headers: { ...safe, 'content-type': type, ...headers } })
}
