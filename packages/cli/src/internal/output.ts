/** What a command says: lines for people, or one JSON value for programs. */
import type { Io } from './io.js'

export interface Reporter {
  /** The result: `value` as JSON, or the lines. */
  done(value: unknown, lines: readonly string[]): void
  fail(code: string, message: string): void
}

export function reporter(io: Io, json: boolean): Reporter {
  return {
    done: (value, lines) => io.out(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${plain(line)}\n`).join('')),
    fail: (code, message) =>
      json ? io.out(`${JSON.stringify({ error: { code, message } })}\n`) : io.err(`postern: ${plain(message)}\n`),
  }
}

/** Text that cannot steer a terminal: a policy is somebody else's words. */
function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
