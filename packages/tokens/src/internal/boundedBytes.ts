/** The body of somebody's reply. */
import { concat } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'

/** A body, read no further than it may be long. @throws PosternError `json.too_large` */
export async function boundedBytes(reply: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = (reply.body as ReadableStream<Uint8Array> | null)?.getReader()
  for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
    length += next.value.length
    if (length > maxBytes) {
      await reader?.cancel()
      throw new PosternError('json.too_large', { reason: `more than ${maxBytes} bytes` })
    }
    chunks.push(next.value)
  }
  return concat(...chunks)
}
