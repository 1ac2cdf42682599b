/// <reference types="node" />
/** Debian's python3-jwcrypto in a process of its own, asked a line at a time. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '@postern/core/json'

const PYTHON = '/usr/bin/python3'

/** Whether to skip: it is absent and nobody demanded it. */
export function noJwcrypto(): boolean {
  if (process.env.POSTERN_REQUIRE === 'all') return false
  try {
    execFileSync(PYTHON, ['-c', 'import jwcrypto'], { stdio: 'ignore' })
    return false
  } catch {
    return true
  }
}

export interface Jwcrypto {
  key(alg: string, kid: string): Promise<{ private: JsonWebKey & { kid: string }; public: JsonWebKey & { kid: string } }>
  sign(jwk: JsonWebKey, header: JsonObject, claims: JsonObject): Promise<string>
  /** @throws Error with what it says against the token */
  verify(
    token: string,
    keys: readonly JsonWebKey[],
    alg: string,
    claims: JsonObject,
  ): Promise<{ header: JsonObject; claims: JsonObject }>
  encrypt(jwk: JsonWebKey, header: JsonObject, text: string): Promise<string>
  decrypt(jwk: JsonWebKey, token: string): Promise<string>
  thumbprint(jwk: JsonWebKey): Promise<string>
  stop(): Promise<void>
}

export function jwcrypto(): Jwcrypto {
  const script = fileURLToPath(new URL('./jwcryptoPeer.py', import.meta.url))
  const child = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let last: Promise<unknown> = Promise.resolve()
  /** One at a time: answers come in the order of questions. */
  const ask =
    (verb: string) =>
    // biome-ignore lint/suspicious/noExplicitAny: each verb answers in its own shape
    (...values: readonly unknown[]): Promise<any> => {
      const answer = last.then(async () => {
        child.stdin.write(`${JSON.stringify([verb, values])}\n`)
        const { ok, error } = JSON.parse((await lines.next()).value ?? '{"error":"it has ended"}')
        if (error !== undefined) throw new Error(error)
        return ok
      })
      last = answer.catch(() => undefined)
      return answer
    }
  return {
    key: ask('key'),
    sign: ask('sign'),
    verify: ask('verify'),
    encrypt: ask('encrypt'),
    decrypt: ask('decrypt'),
    thumbprint: ask('thumbprint'),
    async stop() {
      const closed = once(child, 'close')
      child.stdin.end()
      await closed
    },
  }
}
