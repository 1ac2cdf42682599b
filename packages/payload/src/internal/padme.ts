/** Lengths that say little: Padmé leaves at most 6.3 % above the floor and O(log log L) bits of length. */

/** How a message is padded: to at least `floor` bytes and then to a Padmé length, so that sizes tell little. `false`: not at all. */
export type Pad = false | { readonly floor: number }

export const DEFAULT_PAD: { readonly floor: number } = { floor: 256 }

/** The least Padmé length ≥ `length`. @see Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", §4 */
export function padme(length: number): number {
  if (length < 2) return length
  const e = Math.floor(Math.log2(length))
  const s = Math.floor(Math.log2(e)) + 1
  const unit = 2 ** Math.max(0, e - s)
  return Math.ceil(length / unit) * unit
}

/** The padded length of a message. */
export function paddedLength(length: number, pad: Pad): number {
  return pad === false ? length : Math.max(pad.floor, padme(length))
}
