// @ts-check
// An authenticator of the bank's own: two letters, asked for by their place, of a word that only the customer knows.
import { randomInt, timingSafeEqual } from 'node:crypto'

const LEAST = 8
const WORD = /^[a-z]{8,32}$/

/** Tries, lock, sealing, deadlines and single use are Postern's; here is what the bank asks, and whether the answer is right. @type {import('@postern/authenticators/custom').CustomAuthenticator} */
export const memorableWord = {
  name: 'memorable-word',
  amr: ['kba'],
  maxAttempts: 3,
  deadlineMs: 2_000,

  async enrol({ answer }) {
    if (answer === null) return { outcome: 'continue', reply: { ask: 'word', least: LEAST } }
    const word = String(answer).toLowerCase()
    return WORD.test(word)
      ? { outcome: 'done', data: Buffer.from(word) }
      : { outcome: 'retry', reply: { ask: 'word', least: LEAST } }
  },

  async begin() {
    const first = randomInt(LEAST)
    const second = (first + 1 + randomInt(LEAST - 1)) % LEAST
    // What was asked is in the state, which the phone carries sealed: it cannot choose its own question.
    return { outcome: 'continue', reply: { ask: 'letters', at: [first + 1, second + 1] }, state: Uint8Array.of(first, second) }
  },

  async finish({ answer, state, data }) {
    const [first = 0, second = 0] = state ?? []
    const right = Uint8Array.of(data?.[first] ?? 0, data?.[second] ?? 0)
    const given = Buffer.from(String(answer).toLowerCase())
    return given.length === 2 && timingSafeEqual(given, right) ? { outcome: 'done' } : { outcome: 'retry' }
  },
}
