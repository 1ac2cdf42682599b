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

/** @param {unknown} value @returns {string} */
function show(value) {
  return JSON.stringify(value, (_, member) =>
    member instanceof Uint8Array ? [...member] : typeof member === 'bigint' ? `${member}n` : member,
  )
}
