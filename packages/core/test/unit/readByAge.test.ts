import { readByAge } from '@postern/core/readByAge'
import { describe, expect, it } from 'vitest'

/** A source whose readings end when a test says so. */
function source(o: { maxAgeMs: number; maxStaleMs?: number; retryMs?: number }) {
  let now = 1_000_000
  const open: { end: (value: string) => void; fail: () => void }[] = []
  const seen: (string | null)[] = []
  const kept = readByAge<string>(
    (held) => {
      seen.push(held)
      return new Promise((resolve, reject) => open.push({ end: resolve, fail: () => reject(new Error('away')) }))
    },
    { clock: () => now, ...o },
  )
  /** Reads, and ends the reading that it begins. */
  const get = async (value: string | null) => {
    const before = open.length
    const answer = kept.current()
    if (open.length > before) value === null ? open.at(-1)!.fail() : open.at(-1)!.end(value)
    return answer
  }
  return { kept, get, open, seen, pass: (ms: number) => void (now += ms) }
}

describe('a value that is read by its age', () => {
  it('is read once in its age, and is given what is held', async () => {
    const { get, seen, pass } = source({ maxAgeMs: 1000 })
    expect(await get('a')).toBe('a')
    pass(999)
    expect(await get('b')).toBe('a')
    pass(1)
    expect(await get('b')).toBe('b')
    expect(seen).toEqual([null, 'a'])
  })

  it('is read once for all who wait', async () => {
    const { kept, open, seen } = source({ maxAgeMs: 1000 })
    const all = Promise.all(Array.from({ length: 5 }, () => kept.current()))
    open[0]!.end('a')
    expect(await all).toEqual(['a', 'a', 'a', 'a', 'a'])
    expect(seen).toHaveLength(1)
  })

  it('counts from before its reading began', async () => {
    const { kept, open, get, pass } = source({ maxAgeMs: 1000 })
    const slow = kept.current()
    pass(1000)
    open[0]!.end('a')
    expect(await slow).toBe('a')
    expect(await get('b')).toBe('b')
  })

  it('after forget is read anew, and what was being read then takes nobody’s place', async () => {
    const { kept, open, get, seen } = source({ maxAgeMs: 1000 })
    await get('a')
    kept.forget()
    const before = kept.current()
    kept.forget()
    const after = kept.current()
    expect(open).toHaveLength(3)
    open[2]!.end('new')
    expect(await after).toBe('new')
    open[1]!.end('old')
    expect(await before).toBe('old')
    expect(await get('never')).toBe('new')
    expect(seen).toEqual([null, null, null])
  })

  it('a reading that fails after forget fails alone', async () => {
    const { kept, open, get } = source({ maxAgeMs: 1000, retryMs: 500 })
    const before = kept.current()
    kept.forget()
    open[0]!.fail()
    await expect(before).rejects.toThrow('away')
    expect(await get('new')).toBe('new')
  })

  it('while reading fails is served until it is too old, and asked for once in the pause', async () => {
    const { get, seen, pass } = source({ maxAgeMs: 1000, maxStaleMs: 5000, retryMs: 500 })
    await get('a')
    pass(1000)
    expect(await get(null)).toBe('a')
    pass(499)
    expect(await get(null)).toBe('a')
    expect(seen).toHaveLength(2)
    pass(1)
    expect(await get(null)).toBe('a')
    expect(seen).toHaveLength(3)
    pass(3500)
    await expect(get(null)).rejects.toThrow('away')
    await expect(get('b')).rejects.toThrow('away')
    expect(seen).toHaveLength(4)
    pass(500)
    expect(await get('b')).toBe('b')
  })

  it('that cannot be read is an error for everybody, and asked for again by the next', async () => {
    const { get, pass } = source({ maxAgeMs: 1000 })
    await expect(get(null)).rejects.toThrow('away')
    expect(await get('a')).toBe('a')
    pass(1000)
    await expect(get(null)).rejects.toThrow('away')
  })

  it('is read again when the clock steps back: nothing gets younger', async () => {
    const { get, pass, seen } = source({ maxAgeMs: 1000, maxStaleMs: 5000 })
    await get('a')
    pass(-1)
    expect(await get('b')).toBe('b')
    pass(-10)
    await expect(get(null)).rejects.toThrow('away')
    expect(seen).toHaveLength(3)
  })
})
