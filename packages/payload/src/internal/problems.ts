/** The answers of the gateway itself: RFC 9457 problems; what an attacker can provoke before anything opened is one constant. */
import { utf8 } from '@postern/core/bytes'
import { type ErrorCode, errorCodes } from '@postern/core/errorCodes'
import { PROBLEM_TYPE } from './wire.js'

/** Registered by RFC 9458 §5.2. */
export const DATE_PROBLEM = 'https://iana.org/assignments/http-problem-types#date'
/** Body of a problem; nothing in it depends on the request. */
export function problemBody(code: ErrorCode, status: number, type: string = 'about:blank'): Uint8Array {
  return utf8(JSON.stringify({ type, title: errorCodes[code].message, status, code }))
}

/** An unsealed problem. */
export function outerProblem(
  code: ErrorCode,
  status: number,
  type?: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = problemBody(code, status, type) as Uint8Array<ArrayBuffer>
  return new Response(body, { status, headers: { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store', ...headers } })
}

/** A problem to be sealed into the reply. */
export function innerProblem(code: ErrorCode, now: number, type?: string): Response {
  const { status } = errorCodes[code]
  const body = problemBody(code, status, type) as Uint8Array<ArrayBuffer>
  const headers = { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store', date: new Date(now).toUTCString() }
  return new Response(body, { status, headers })
}
