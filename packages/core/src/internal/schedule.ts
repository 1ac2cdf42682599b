/** Keys by the clock: waiting → next (published) → active → retired (published) → gone. Each instant belongs to the later state. */
import { PosternError } from '../errors.js'
import type { Ring, Schedule } from '../keyRing.js'

/** `retireAt` and `dropAt` of a key without successor. */
export const NEVER: number = Number.MAX_SAFE_INTEGER

/** A ring over keys in the order of their activation. */
export function ringOf<K extends Schedule & { readonly kid: string }>(keys: readonly K[]): Ring<K> {
  const published = (now: number): readonly K[] => keys.filter(isPublished(now))
  return {
    active(now) {
      const key = keys.find(({ activateAt, retireAt }) => activateAt <= now && now < retireAt)
      if (key === undefined) throw new PosternError('keys.none_active')
      return key
    },
    published,
    find: (kid, now) => keys.find((key) => key.kid === kid && isPublished(now)(key)) ?? null,
  }
}

/** Whether a key may be shown, verified with and opened with at `now`. */
export function isPublished(now: number): (key: Schedule) => boolean {
  return ({ publishAt, dropAt }) => publishAt <= now && now < dropAt
}

/** Whether keys follow one another without gap or overlap and the last one stays. */
export function isSound(keys: readonly Schedule[]): boolean {
  return keys.every(({ publishAt, activateAt, retireAt, dropAt }, i) => {
    const next = keys[i + 1]
    const ordered = 0 <= publishAt && publishAt <= activateAt && activateAt < retireAt && retireAt <= dropAt
    return ordered && (next === undefined ? retireAt === NEVER && dropAt === NEVER : retireAt === next.activateAt)
  })
}

/** The keys with `next` behind them: the last one retires when it starts and goes `retainMs` later. */
export function succeed<K extends Schedule>(keys: readonly K[], next: K, retainMs: number): readonly K[] {
  const last = keys.at(-1)
  if (last === undefined) return [next]
  return [...keys.slice(0, -1), { ...last, retireAt: next.activateAt, dropAt: next.activateAt + retainMs }, next]
}
