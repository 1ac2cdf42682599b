/** Round numbers for an axis, and places on paper. */

/** Least of 1, 2, 2.5, 5 × 10ᵏ that covers `most` in at most `steps` steps; whole numbers only. */
export function axis(most: number, steps = 4): { readonly top: number; readonly step: number } {
  let size = 1
  for (;;) {
    for (const factor of [1, 2, 2.5, 5]) {
      const step = factor * size
      if (Number.isInteger(step) && step * steps >= most) return { top: Math.max(step, Math.ceil(most / step) * step), step }
    }
    size *= 10
  }
}

/** A coordinate with at most two decimals, never `-0`. */
export function px(n: number): string {
  const rounded = Math.round(n * 100) / 100
  return String(rounded === 0 ? 0 : rounded)
}

/** Which of `n` steps carry a tick: evenly spaced, at most `most`. */
export function ticks(n: number, most: number): readonly number[] {
  const every =
    [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 24, 28, 30, 48, 60, 90, 120, 180, 240, 360, 720].find((step) => n / step <= most) ??
    Math.ceil(n / most)
  return Array.from({ length: Math.ceil(n / every) }, (_, i) => i * every)
}

/** Pushes labels apart so that none overlap, keeping their order; `wanted` are centres. */
export function spread(wanted: readonly number[], gap: number, least: number, most: number): readonly number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]! || a - b)
  const out = [...wanted]
  let floor = least
  for (const i of order) {
    out[i] = Math.max(out[i]!, floor)
    floor = out[i]! + gap
  }
  let ceiling = most
  for (const i of [...order].reverse()) {
    out[i] = Math.min(out[i]!, ceiling)
    ceiling = out[i]! - gap
  }
  return out
}
