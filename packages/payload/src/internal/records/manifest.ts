/** The manifest: which names there are and which version of each is the one. `u64 first ‖ u64 top ‖ u32 n ‖ { lp(name) ‖ u64 gen }*`. */
import { concat, fromUtf8, toUnsigned, u32, u64 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import { tampered } from './record.js'

export interface Manifest {
  /** Generation of the manifest itself. */
  readonly gen: number
  /** The generation that the store began with: the only one that stands alone. */
  readonly first: number
  /** The highest generation that any record ever had. Never falls, so that an old version is never the new one. */
  readonly top: number
  readonly names: ReadonlyMap<string, number>
}

export const MAX_NAMES = 4096
export const MAX_NAME_BYTES = 255

export function encodeManifest({ first, top, names }: Manifest): Uint8Array {
  const entries = [...names].map(([name, gen]) => concat(lp(name), u64(gen)))
  return concat(u64(first), u64(top), u32(names.size), ...entries)
}

/** @throws PosternError `record.tampered` */
export function decodeManifest(gen: number, bytes: Uint8Array): Manifest {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw tampered('manifest')
    return bytes.subarray(at, (at += length))
  }
  const number = (width: number): number => toUnsigned(take(width))
  const [first, top, count] = [number(8), number(8), number(4)]
  const names = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const name = fromUtf8(take(number(2)))
    if (name === null) throw tampered('manifest')
    names.set(name, number(8))
  }
  if (at !== bytes.length || names.size !== count) throw tampered('manifest')
  return { gen, first, top, names }
}

/** The manifest that follows, with one name at another version, or without it. */
export function changed(manifest: Manifest, name: string, gen: number | null): Manifest {
  const names = new Map(manifest.names)
  if (gen === null) names.delete(name)
  else names.set(name, gen)
  return { ...manifest, gen: manifest.gen + 1, top: Math.max(manifest.top, gen ?? 0), names }
}

/** The next version of a name: above every one before it, in the slot that the standing one is not in. */
export function nextGen({ top, names }: Manifest, name: string): number {
  const standing = names.get(name)
  return standing === undefined || (top + 1) % 2 !== standing % 2 ? top + 1 : top + 2
}

/** A version that no interrupted write explains: each takes at most the second generation above the top. */
export function isAhead({ top }: Manifest, gen: number): boolean {
  return gen > top + 2
}
