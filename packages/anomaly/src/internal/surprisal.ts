/** How surprising a count is: Chernoff bounds, exact in form and cheap. Nats. */
import { ln } from '../deterministic.js'

/** `k·ln(k/λ) − k + λ` for more than expected, else 0. */
export function poisson(k: number, expected: number): number {
  return k > expected ? k * ln(k / expected) - k + expected : 0
}
