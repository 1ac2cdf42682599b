/** Requests whose content comes as a stream, sealed while it does. Few need it: it is loaded when one is sent. */
import type { Pad } from '../bhttp.js'
import { encodeRequestStream } from './encodeMessageStream.js'
import type { RequestHead } from './messages.js'
import type { Begun } from './outgoing.js'
import { sealStream } from './sealStream.js'
import type { UploadMode } from './upload.js'

/** The outer body, in a form that `mode` can send. @throws whatever `content` fails with */
export async function sealUpload(
  { context, head, chunkBytes }: Begun,
  request: RequestHead,
  content: ReadableStream<Uint8Array>,
  pad: Pad,
  mode: UploadMode,
): Promise<BodyInit> {
  const message = encodeRequestStream({ ...request, content }, { pad })
  const sealed = sealStream(context, head, message, { chunkBytes: chunkBytes! })
  return mode === 'stream' ? sealed : gathered(sealed)
}

async function gathered(sealed: ReadableStream<Uint8Array>): Promise<Blob> {
  const parts: Blob[] = []
  const reader = sealed.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return new Blob(parts)
    parts.push(new Blob([value as Uint8Array<ArrayBuffer>]))
  }
}
