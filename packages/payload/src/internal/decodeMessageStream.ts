/** Reads messages while they come. @see RFC 9292 §3.1, §3.2 */
import { concat } from '@postern/core/bytes'
import type { BhttpRequestStream, BhttpResponse, BhttpResponseStream, DecodeOptions, DecodeRequestOptions } from '../bhttp.js'
import { checkControl, checkFields, type FieldLine, MAX_PATH_BYTES } from './fieldRules.js'
import {
  checkStatus,
  INDETERMINATE_REQUEST,
  INDETERMINATE_RESPONSE,
  isInformational,
  KNOWN_REQUEST,
  KNOWN_RESPONSE,
  lengthIn,
} from './framing.js'
import { type MessageDecoder, messageDecoder, type Rest } from './messageDecoder.js'
import { sourceOf, sourceOfBytes } from './source.js'

/**
 * The request of a message while it comes, known- or indeterminate-length: answers when its fields are here.
 * @throws PosternError `bhttp.malformed` | `bhttp.limit`, and what `message` fails with; so do `content` and `trailers`
 */
export function decodeRequestStream(
  message: ReadableStream<Uint8Array>,
  { schemes = ['https'], maxBytes }: DecodeRequestOptions = {},
): Promise<BhttpRequestStream> {
  return decodeStream(message, maxBytes, async (source) => {
    const known = await source.framing(KNOWN_REQUEST, INDETERMINATE_REQUEST)
    const method = await source.text(MAX_PATH_BYTES)
    const scheme = await source.text(MAX_PATH_BYTES)
    const authority = await source.text(MAX_PATH_BYTES)
    const path = await source.text(MAX_PATH_BYTES)
    checkControl({ method, scheme, authority, path }, schemes)
    const fields = await source.fields(known)
    checkFields(fields, { authority })
    return { method, scheme, authority, path, fields, ...coming(source, source.rest(known, lengthIn(fields), false)) }
  })
}

/** The final response of a message while it comes; as {@link decodeRequestStream}. @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export function decodeResponseStream(
  message: ReadableStream<Uint8Array>,
  { maxBytes }: DecodeOptions = {},
): Promise<BhttpResponseStream> {
  return decodeStream(message, maxBytes, async (source) => {
    const { rest, ...head } = await responseOf(source)
    return { ...head, ...coming(source, rest) }
  })
}

/** The final response of a message that is here whole, where there are no streams. @throws PosternError `bhttp.malformed` | `bhttp.limit` */
export async function decodeWholeResponse(
  message: Uint8Array,
  { maxBytes }: DecodeOptions = {},
): Promise<Pick<BhttpResponse, 'status' | 'fields' | 'content'>> {
  const { rest, ...head } = await responseOf(messageDecoder(sourceOfBytes(message), maxBytes))
  const pieces: Uint8Array[] = []
  for (let piece = await rest.next(); piece !== null; piece = await rest.next()) pieces.push(piece)
  return { ...head, content: concat(...pieces) }
}

async function responseOf(source: MessageDecoder): Promise<Pick<BhttpResponse, 'status' | 'fields'> & { readonly rest: Rest }> {
  const known = await source.framing(KNOWN_RESPONSE, INDETERMINATE_RESPONSE)
  let status = await source.varint()
  for (let skipped = 1; isInformational(status, skipped); skipped++, status = await source.varint())
    checkFields(await source.fields(known), {})
  checkStatus(status)
  const fields = await source.fields(known)
  checkFields(fields, {})
  return { status, fields, rest: source.rest(known, lengthIn(fields), true) }
}

/** The rest of a message as a stream: it ends when the message has. */
function coming(source: MessageDecoder, rest: Rest): Pick<BhttpResponseStream, 'content' | 'trailers'> {
  let settle!: { resolve(lines: readonly FieldLine[]): void; reject(error: unknown): void }
  const trailers = new Promise<readonly FieldLine[]>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Whoever reads the content hears of it there.
  trailers.catch(() => undefined)
  const content = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await rest.next()
          if (piece !== null) return controller.enqueue(piece)
          settle.resolve(rest.trailers)
          controller.close()
        } catch (error) {
          settle.reject(error)
          await source.cancel(error)
          throw error
        }
      },
      async cancel(reason) {
        settle.reject(reason)
        await source.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  return { content, trailers }
}

async function decodeStream<M>(
  message: ReadableStream<Uint8Array>,
  maxBytes: number | undefined,
  read: (source: MessageDecoder) => Promise<M>,
): Promise<M> {
  const source = messageDecoder(sourceOf(message), maxBytes)
  try {
    return await read(source)
  } catch (error) {
    await source.cancel(error)
    throw error
  }
}
