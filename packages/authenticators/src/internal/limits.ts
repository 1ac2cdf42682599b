/** Limits that a host sets. */

/** @throws RangeError for anything but a whole number of the range */
export function within(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${name} is a whole number from ${min} to ${max}`)
}
