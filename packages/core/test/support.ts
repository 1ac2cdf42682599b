/// <reference types="node" />
import { PosternError } from '@postern/core/errors'

/** The code that a call throws, `null` when it does not; anything but a PosternError goes through. */
export function codeOf(call: () => unknown): string | null {
  try {
    call()
    return null
  } catch (error) {
    if (error instanceof PosternError) return error.code
    throw error
  }
}

/** The code and reason that a promise is rejected with. */
export async function refusalOf(promise: Promise<unknown>): Promise<{ code: string; reason: string | null } | null> {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof PosternError) return { code: error.code, reason: error.reason }
    throw error
  }
}

export const RUNS: number = Number(process.env.POSTERN_RUNS ?? 100)
export const VECTORS: string = process.env.POSTERN_VECTORS ?? new URL('../../../../shared/vectors', import.meta.url).pathname

/** Unpredictable enough and the same in every run: FNV-1a of the seed, then xorshift. */
export function seeded(seed: string): (n: number) => Uint8Array {
  let state = 0x811c9dc5
  for (const character of seed) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193) || 1
  return (n) =>
    Uint8Array.from({ length: n }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 11) & 255
    })
}
