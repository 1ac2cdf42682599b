/** Requests whose content comes as a stream, sealed while it does. Few need it: it is loaded when one is sent. */
import type { Pad } from '../bhttp.js'
import { encodeRequestStream } from './encodeMessageStream.js'
import type { RequestHead } from './messages.js'
import type { Begun } from './outgoing.js'
import { sealStream } from './sealStream.js'
import { sourceOf } from './source.js'
import type { UploadMode } from './upload.js'
import { unlessStopped } from './waiting.js'

/** The outer body, in a form that `mode` can send. @throws whatever `content` fails with, or the signal's reason */
export async function sealUpload(
  { context, head, chunkBytes }: Begun,
  request: RequestHead,
  content: ReadableStream<Uint8Array>,
  { pad, mode, signal }: { readonly pad: Pad; readonly mode: UploadMode; readonly signal: AbortSignal },
): Promise<BodyInit> {
  const message = encodeRequestStream({ ...request, content }, { pad })
  const sealed = sealStream(context, head, message, { chunkBytes: chunkBytes! })
  return mode === 'stream' ? sealed : gathered(sealed, signal)
}

function gathered(sealed: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<Blob> {
  const parts: Blob[] = []
  const source = sourceOf(sealed)
  return unlessStopped(signal, source.cancel, async () => {
    while (await source.more()) parts.push(new Blob([source.take(source.held) as Uint8Array<ArrayBuffer>]))
    return new Blob(parts)
  })
}
