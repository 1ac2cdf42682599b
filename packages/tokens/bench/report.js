// One JSON line a case; ratio = peer ÷ ours.

/** @param {object} of */
export function line(of) {
  console.log(JSON.stringify(of, (_name, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)))
}

/** @param {readonly number[]} values */
export function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
