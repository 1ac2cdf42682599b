/** Reads what `lp` and the fixed-width integers wrote; short or left-over bytes are a refusal, never a guess. */
import { fromUtf8, toUnsigned } from '@postern/core/bytes'

/** A cursor over bytes; every method throws RangeError past the end. */
export interface ByteReader {
  take(n: number): Uint8Array
  unsigned(width: 1 | 2 | 4 | 8): number
  lp(): Uint8Array
  text(): string
  /** @throws RangeError when something is left */
  end(): void
}

/** A reader of `bytes`, which it copies from. */
export function byteReader(bytes: Uint8Array): ByteReader {
  let at = 0
  const take = (n: number) => {
    if (at + n > bytes.length) throw new RangeError('truncated')
    return bytes.slice(at, (at += n))
  }
  const unsigned = (width: 1 | 2 | 4 | 8) => toUnsigned(take(width))
  const lp = () => take(unsigned(2))
  return {
    take,
    unsigned,
    lp,
    text() {
      const text = fromUtf8(lp())
      if (text === null) throw new RangeError('not UTF-8')
      return text
    },
    end() {
      if (at !== bytes.length) throw new RangeError('trailing bytes')
    },
  }
}
