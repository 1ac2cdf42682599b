/** Streams of given pieces, and the pieces of streams. */

export function streamOf(pieces: readonly Uint8Array[], onCancel?: (reason: unknown) => void): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[at++]
        if (piece === undefined) controller.close()
        else controller.enqueue(piece)
      },
      cancel: onCancel ?? (() => undefined),
    },
    { highWaterMark: 0 },
  )
}

/** Cut at the given places (any numbers; they are brought into range). */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

/** Every piece, in order. */
export async function collected(stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = []
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return pieces
    pieces.push(value)
  }
}

/** The pieces until the stream fails, and what it failed with; `null` where it ended. */
export async function untilFailure(stream: ReadableStream<Uint8Array>): Promise<{ pieces: Uint8Array[]; error: unknown }> {
  const pieces: Uint8Array[] = []
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { pieces, error: null }
      pieces.push(value)
    }
  } catch (error) {
    return { pieces, error }
  }
}
