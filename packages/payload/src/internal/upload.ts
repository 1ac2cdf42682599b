/** How far this runtime streams. */
import { filled, streamOf } from './messages.js'
import { sourceOf } from './source.js'
import { unlessStopped } from './waiting.js'

/** `stream`: requests stream; `blob`: sealed chunks are gathered in a Blob, which a browser may keep on disk; `buffer`: they are held in memory. */
export type UploadMode = 'stream' | 'blob' | 'buffer'

/** Tried, not sniffed: a runtime that does not know `duplex` turns the stream into text, which has a content type. */
export function uploadMode(): UploadMode {
  if (requestsStream()) return 'stream'
  return blobsHoldBytes() ? 'blob' : 'buffer'
}

function requestsStream(): boolean {
  let read = false
  try {
    const init = {
      method: 'POST',
      body: new ReadableStream(),
      get duplex() {
        read = true
        return 'half'
      },
    }
    return !new Request('https://a.example', init).headers.has('content-type') && read
  } catch {
    return false
  }
}

/** React Native has a Blob that cannot be made of bytes. */
function blobsHoldBytes(): boolean {
  try {
    return new Blob([new Uint8Array(1)]).size === 1
  } catch {
    return false
  }
}

/** What a caller gave: bytes where there are few, otherwise a stream, or `null` where there are more than can be held and nothing streams. */
export async function contentOf(
  request: Request,
  mode: UploadMode,
  { bufferBytes, maxBufferBytes }: { readonly bufferBytes: number; readonly maxBufferBytes: number },
): Promise<Uint8Array | ReadableStream<Uint8Array> | null> {
  // React Native's requests have no body to read from.
  if (request.body === undefined) {
    const bytes = new Uint8Array(await request.arrayBuffer())
    return bytes.length > maxBufferBytes ? null : bytes
  }
  if (request.body === null) return new Uint8Array(0)
  const source = sourceOf(request.body)
  const held = mode === 'buffer' ? maxBufferBytes : Math.min(bufferBytes, maxBufferBytes)
  const whole = await unlessStopped(request.signal, source.cancel, () => filled(source, held))
  if (whole) return source.take(source.held)
  if (mode === 'buffer') {
    await source.cancel()
    return null
  }
  return streamOf(source)
}
