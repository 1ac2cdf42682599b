import { concat } from '@postern/core/bytes'
import { readBody } from '@postern/core/readBody'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** A body in these pieces, which tells how many were taken and whether the rest was given up. */
function bodyOf(pieces: readonly Uint8Array[]) {
  const seen = { taken: 0, cancelled: false }
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[seen.taken++]
        if (piece === undefined) controller.close()
        else controller.enqueue(piece)
      },
      cancel() {
        seen.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { body, seen }
}

describe('a body', () => {
  it('is read whole up to its bound, and not at all beyond it, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 }), fc.nat(200), async (pieces, bound) => {
        const whole = concat(...pieces)
        expect(await readBody(bodyOf(pieces).body, bound)).toEqual(whole.length <= bound ? whole : null)
      }),
    )
  })

  it('above its bound is given up there: what follows is neither read nor waited for', async () => {
    const { body, seen } = bodyOf(Array.from({ length: 100 }, () => new Uint8Array(10)))
    expect(await readBody(body, 25)).toBeNull()
    expect(seen).toEqual({ taken: 3, cancelled: true })
  })

  it('in a million pieces is joined like any other', async () => {
    const piece = Uint8Array.of(7)
    const bytes = await readBody(bodyOf(Array.from({ length: 1_000_000 }, () => piece)).body, 1_000_000)
    expect([bytes?.length, bytes?.every((byte) => byte === 7)]).toEqual([1_000_000, true])
  })

  it('that is not there has no bytes; one that breaks off is its own error', async () => {
    expect(await readBody(null, 0)).toEqual(new Uint8Array(0))
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.error(new Error('the line is dead'))
      },
    })
    await expect(readBody(broken, 10)).rejects.toThrow('the line is dead')
  })
})
