/** The body of a request or a response, whole, and never more of it in memory than it may have. */
import { joined } from './bytes.js'

/**
 * Reads a body to its end.
 * @returns its bytes, none where there is no body; `null` for more than `maxBytes`, of which the rest is not read
 *
 * @example
 * const bytes = await readBody(request.body, 65_536)
 * if (bytes === null) return new Response(null, { status: 413 })
 */
export async function readBody(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array | null> {
  if (body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = body.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.length
    if (length > maxBytes) {
      await reader.cancel()
      return null
    }
    chunks.push(next.value)
  }
  return joined(chunks)
}
