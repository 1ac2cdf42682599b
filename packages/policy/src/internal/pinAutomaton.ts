/** Counting PINs that are too many to list. Which digit is which does not matter to runs and repetitions, so a state is a histogram. */
import { PosternError } from '@postern/core/errors'
import { besides } from './pinShapes.js'

const maxStates = 2 ** 18

/** PINs of one length without a run above `maxRun` and without a digit above `maxSame` times. */
export function decentCount(length: number, maxRun: number, maxSame: number): bigint {
  const counting = maxSame < length
  const running = maxRun < Math.min(maxSame, length)
  const step = counting ? 1 : 0
  /** By `others/last/run`: how many other digits occur c times, how often the last one did, how long it has run. */
  let states = new Map<string, bigint>([[[[9, ...new Array<number>(step * maxSame).fill(0)], step, 1].join('/'), 10n]])
  for (let i = 1; i < length; i++) {
    const next = new Map<string, bigint>()
    for (const [state, ways] of states) {
      const [text, lastText, runText] = state.split('/') as [string, string, string]
      const [others, last, run] = [text.split(',').map(Number), Number(lastText), Number(runText)]
      if ((!counting || last < maxSame) && (!running || run < maxRun)) add(next, others, last + step, running ? run + 1 : 1, ways)
      others.forEach((many, c) => {
        if (many === 0 || (counting && c === maxSame)) return
        const after = [...others]
        after[c]!--
        after[last]!++
        add(next, after, c + step, 1, ways * BigInt(many))
      })
    }
    states = next
  }
  return [...states.values()].reduce((sum, ways) => sum + ways, 0n)
}

function add(into: Map<string, bigint>, others: readonly number[], last: number, run: number, ways: bigint): void {
  const key = `${others.join(',')}/${last}/${run}`
  into.set(key, (into.get(key) ?? 0n) + ways)
}

/** Keypad walks of one length in which no key occurs above `maxSame` times; no key follows itself, so none has a run. */
export function walkCount(length: number, maxSame: number): bigint {
  const counting = maxSame < Math.ceil(length / 2)
  /** What one more of a key adds to the count of all ten, digits of one number to the base `maxSame + 1` ≤ 16. */
  const unit = (key: number): number => (counting ? (maxSame + 1) ** key : 0)
  /** By count and key, as `count * 10 + key`. */
  let states = new Map<number, bigint>()
  for (let key = 0; key < 10; key++) states.set(unit(key) * 10 + key, 1n)
  for (let i = 1; i < length; i++) {
    const next = new Map<number, bigint>()
    for (const [state, ways] of states)
      for (let to = 0; to < 10; to++) {
        const count = Math.floor(state / 10)
        if (!besides(state % 10, to) || (counting && Math.floor(count / unit(to)) % (maxSame + 1) === maxSame)) continue
        const after = (count + unit(to)) * 10 + to
        next.set(after, (next.get(after) ?? 0n) + ways)
      }
    if (next.size > maxStates)
      throw new PosternError('pin.policy_invalid', {
        publicMessage: `Walks of ${length} keys with at most ${maxSame} of a kind are too many to count.`,
      })
    states = next
  }
  return [...states.values()].reduce((sum, ways) => sum + ways, 0n)
}

/** Every arithmetic sequence of one length, around the 9 and not. */
export function sequences(length: number): readonly string[] {
  const out: string[] = []
  for (let first = 0; first < 10; first++)
    for (let step = 1; step < 10; step++) out.push(Array.from({ length }, (_, i) => (first + i * step) % 10).join(''))
  return out
}
