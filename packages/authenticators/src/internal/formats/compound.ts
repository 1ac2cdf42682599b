/** Several statements over one registration. @see WebAuthn Level 3 §8.9 */
import { type CborValue, isCborMap } from '@postern/core/cbor'
import { invalid } from './statement.js'

/** One of several. */
export interface InnerStatement {
  readonly fmt: string
  readonly attStmt: CborValue
}

/** 2 to 8 statements, none of them compound. */
export function compoundStatements(attStmt: CborValue): readonly InnerStatement[] {
  if (!Array.isArray(attStmt) || attStmt.length < 2 || attStmt.length > 8) throw invalid('compound.size')
  return attStmt.map((one: CborValue) => {
    const [fmt, inner] = isCborMap(one) && one.size === 2 ? [one.get('fmt'), one.get('attStmt')] : []
    if (typeof fmt !== 'string' || fmt === 'compound' || inner === undefined) throw invalid('compound.statement')
    return { fmt, attStmt: inner }
  })
}
