/** No attestation. @see WebAuthn Level 3 §8.7 */
import { type Format, membersOf } from './statement.js'

export const none: Format = async (s) => {
  membersOf(s, [])
  return { type: 'none', chain: [], doubt: null }
}
