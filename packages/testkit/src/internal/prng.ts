/** One small generator for the whole kit: the same seed gives the same run on every engine. Never for secrets. */

/** A stream of 32-bit numbers. */
export type Draw = () => number

/** The stream of a seed (sfc32, warmed up). */
export function drawsOf(seed: number): Draw {
  let a = seed >>> 0
  let b = 0x9e3779b9
  let c = 0x243f6a88
  let counter = 1
  const draw: Draw = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let i = 0; i < 15; i++) draw()
  return draw
}

/** A number in [0, 1). */
export function fraction(draw: Draw): number {
  return draw() / 0x1_0000_0000
}

/** A whole number from `min` to `max`, both included. */
export function between(draw: Draw, min: number, max: number): number {
  return min + Math.floor(fraction(draw) * (max - min + 1))
}
