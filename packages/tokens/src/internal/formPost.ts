/** The page that posts an authorization response to the client (OAuth 2.0 Form Post Response Mode): one form, one script, nothing else may run. */
import { textReply } from '@postern/core/reply'

const SCRIPT = 'document.forms[0].submit()'
/** Of {@link SCRIPT}: whatever else got into the page, it would not run. */
const SCRIPT_HASH = 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** @param uri - registered, http or https */
export function formPost(uri: string, parameters: Readonly<Record<string, string>>): Response {
  const fields = Object.entries(parameters)
    .map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`)
    .join('')
  const page = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>One moment</title></head><body>
<form method="post" action="${escaped(uri)}">${fields}<noscript><button>Continue</button></noscript></form>
<script>${SCRIPT}</script></body></html>`
  return textReply(page, {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policyFor(uri),
      'cache-control': 'no-store',
      pragma: 'no-cache',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    },
  })
}

/** `form-action` names the client's origin, and https since browsers apply it to where the client redirects next. */
function policyFor(uri: string): string {
  const { origin } = new URL(uri)
  return `default-src 'none'; script-src '${SCRIPT_HASH}'; form-action ${origin} https:; base-uri 'none'; frame-ancestors 'none'`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
