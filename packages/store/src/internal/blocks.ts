/** Room for bytes that stay inside a package: in V8 an array with memory of its own costs more than the work on it. */

/** One array that stays keeps its block, so that blocks are small. */
const BLOCK_BYTES = 8192

/** What gives fresh arrays inside blocks of many. Never for bytes that a caller gets: `buffer` shows him the neighbours. */
export function blocks(): (length: number) => Uint8Array {
  let block = new Uint8Array(0)
  let used = 0
  return (length) => {
    if (length > BLOCK_BYTES / 4) return new Uint8Array(length)
    if (used + length > block.length) {
      block = new Uint8Array(BLOCK_BYTES)
      used = 0
    }
    used += length
    return block.subarray(used - length, used)
  }
}
