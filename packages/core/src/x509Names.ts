/** The names in a certificate, as text and bytes. @see RFC 5280 §4.1.2.4, §4.2.1.6 */
import { fromUtf8 } from './bytes.js'
import { type Der, derItems, derOid, derSequence, isDer, readDer } from './der.js'
import { PosternError } from './errors.js'
import { type Certificate, extensionOid } from './x509.js'

/** One attribute of a name: its type, its text where it is one, and its value as it is encoded. */
export interface NameAttribute {
  readonly type: string
  readonly text: string | null
  readonly value: Uint8Array
}

/** A name as it is encoded, from its root down; each step is a set, of one attribute nearly always. @throws PosternError `x509.refused` | `der.malformed` */
export function readName(name: Uint8Array): readonly (readonly NameAttribute[])[] {
  return derSequence(readDer(name)).map((step) => {
    if (!isDer(step, 'set')) throw refuse('name')
    return derItems(step).map((attribute) => {
      const [type, value, ...more] = derSequence(attribute)
      if (value === undefined || more.length > 0) throw refuse('name')
      return { type: derOid(type), text: textIn(value), value: value.raw }
    })
  })
}

function textIn(value: Der): string | null {
  const plain = isDer(value, 'printableString') || isDer(value, 'ia5String')
  if (!plain && !isDer(value, 'utf8String')) return null
  const text = plain && value.content.some((byte) => byte > 0x7f) ? null : fromUtf8(value.content)
  if (text === null) throw refuse('name')
  return text
}

/** The alternative names of a certificate, by kind. */
export interface AlternativeNames {
  readonly dns: readonly string[]
  readonly uri: readonly string[]
  readonly email: readonly string[]
  /** 4 or 16 bytes each. */
  readonly ip: readonly Uint8Array[]
}

/** RFC 5280 §4.2.1.6; other kinds are left out. @throws PosternError `x509.refused` | `der.malformed` */
export function alternativeNames({ extensions }: Certificate): AlternativeNames {
  const extension = extensions.get(extensionOid.subjectAltName)
  const names = extension === undefined ? [] : derSequence(readDer(extension.value))
  const texts = (tag: number): readonly string[] =>
    names.flatMap((name) => {
      if (!isContext(name, tag)) return []
      if (name.content.some((byte) => byte < 0x21 || byte > 0x7e)) throw refuse('alternative.name')
      return String.fromCharCode(...name.content.subarray(0, 2048))
    })
  const ip = names.filter((name) => isContext(name, 7)).map(({ content }) => content)
  if (ip.some(({ length }) => length !== 4 && length !== 16)) throw refuse('alternative.name')
  return { email: texts(1), dns: texts(2), uri: texts(6), ip }
}

function isContext({ cls, tag, constructed }: Der, number: number): boolean {
  return cls === 'context' && tag === number && !constructed
}

function refuse(reason: string): PosternError<'x509.refused'> {
  return new PosternError('x509.refused', { reason })
}
