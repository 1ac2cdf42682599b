/** What a CA-signed client certificate must say, as configuration and metadata write it. @see RFC 8705 §2.1.2, RFC 4514 §3 */
import { concat, fromHex, fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { CertificateName } from '../clients.js'

/** Short names of attribute types: those of RFC 4514 §3, and three that bank certificates carry. */
const TYPES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  C: '2.5.4.6',
  STREET: '2.5.4.9',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  SERIALNUMBER: '2.5.4.5',
  ORGANIZATIONIDENTIFIER: '2.5.4.97',
  EMAILADDRESS: '1.2.840.113549.1.9.1',
}
const OID = /^[0-2](?:\.(?:0|[1-9]\d{0,9})){1,15}$/
const MAX_CHARACTERS = 1024

/** One attribute as configuration asks for it: text, or the encoded value. */
export interface WantedAttribute {
  readonly type: string
  readonly text: string | null
  readonly value: Uint8Array | null
}

/**
 * Whether a name can be compared with at all: exactly one kind, not empty, of its form.
 * @throws PosternError `metadata.refused`
 */
export function checkCertificateName(name: CertificateName): void {
  const kinds = Object.entries(name)
  const [kind, text] = kinds[0] ?? []
  if (kinds.length !== 1 || typeof text !== 'string' || text === '' || text.length > MAX_CHARACTERS)
    throw refused('A certificate is named by its subject or by one alternative name.')
  if (kind === 'dn') parseDistinguishedName(text)
  else if (!/^[\x21-\x7e]+$/.test(text)) throw refused('An alternative name of a certificate has printable ASCII alone.')
  if (kind === 'ip' && ipText(text) === null) throw refused('The IP address of a certificate is not one.')
}

/**
 * The steps of a distinguished name from the root down, which its text writes last.
 * @throws PosternError `metadata.refused`
 * @see RFC 4514 §3
 */
export function parseDistinguishedName(text: string): readonly (readonly WantedAttribute[])[] {
  const steps: string[][] = [['']]
  // A backslash takes the next character with it: bare commas and plus signs part, escaped ones do not.
  for (const piece of text.match(/\\.?|[^\\]/gsu) ?? []) {
    const step = steps.at(-1)!
    if (piece === ',') steps.push([''])
    else if (piece === '+') step.push('')
    else step[step.length - 1] += piece
  }
  return steps.map((step) => step.map(readAttribute)).reverse()
}

function readAttribute(text: string): WantedAttribute {
  const equals = text.indexOf('=')
  const name = text.slice(0, Math.max(equals, 0))
  const type = TYPES[name.toUpperCase()] ?? (OID.test(name) ? name : undefined)
  if (type === undefined) throw refused('A distinguished name has an attribute type that is neither known here nor an OID.')
  const written = text.slice(equals + 1)
  const value = written.startsWith('#') ? fromHex(written.slice(1)) : null
  if (value === null && written.startsWith('#')) throw refused('A distinguished name has a value that is not hexadecimal.')
  return { type, text: value === null ? unescaped(written) : null, value }
}

/** RFC 4514 §2.4. What is to be escaped and is not, is refused, so that one name is not written in two ways. */
function unescaped(written: string): string {
  if (written === '' || /^ /.test(written) || /(?<!\\) $/.test(written))
    throw refused('A distinguished name has an empty value, or a space that is not escaped; there is none after a comma.')
  const bytes = (written.match(/\\[0-9a-fA-F]{2}|\\.?|[^\\]/gsu) ?? []).map((piece) => {
    if (/^\\[0-9a-fA-F]{2}$/.test(piece)) return fromHex(piece.slice(1))!
    const escaped = piece.startsWith('\\')
    const character = escaped ? piece.slice(1) : piece
    if (escaped ? !/^["+,;<>\\#= ]$/.test(character) : /["+,;<>\0]/.test(character))
      throw refused('A distinguished name has a character that RFC 4514 §2.4 wants escaped, or an escape that it does not have.')
    return utf8(character)
  })
  const text = fromUtf8(concat(...bytes))
  if (text === null) throw refused('A distinguished name has escapes that are not UTF-8.')
  return text
}

/** One text for one address, `null` for what is none. */
export function ipText(text: string): string | null {
  const url = text.includes(':') ? `http://[${text}]` : /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) ? `http://${text}` : ''
  return URL.canParse(url) ? new URL(url).hostname : null
}

function refused(publicMessage: string): PosternError<'metadata.refused'> {
  return new PosternError('metadata.refused', { publicMessage })
}
