// @ts-check
/** @param {unknown} seen @param {unknown} wanted @param {string} [what] */
export function same(seen, wanted, what = 'value') {
  const a = show(seen)
  const b = show(wanted)
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`)
}

/** @param {() => unknown} run @param {string} code */
export async function refuses(run, code) {
  try {
    await run()
  } catch (error) {
    same(/** @type {{ code?: string }} */ (error).code, code, 'code')
    return
  }
  throw new Error(`nothing thrown instead of ${code}`)
}

/** `text` with another end, whatever it was: a constant in its place is at times the same. @param {string} text */
export function changed(text) {
  return text.slice(0, -2) + (text.endsWith('AA') ? 'BA' : 'AA')
}

/** A value, or the error as a failed case. @template T @param {{ ok: true, value: T } | { ok: false, error: Error }} result @returns {T} */
export function got(result) {
  if (!result.ok) throw result.error
  return result.value
}

/** A draw below `bound` that is the same everywhere: a counter through the finalizer of MurmurHash3. @param {number} seed */
export function drawsOf(seed) {
  let count = seed
  return (/** @type {number} */ bound) => {
    count = (count + 0x9e3779b9) | 0
    let h = count
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    return ((h ^ (h >>> 16)) >>> 0) % bound
  }
}

/** @param {unknown} value @returns {string} */
function show(value) {
  return JSON.stringify(value, (_, member) =>
    member instanceof Uint8Array ? [...member] : typeof member === 'bigint' ? `${member}n` : member,
  )
}
