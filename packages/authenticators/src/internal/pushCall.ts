/** One POST to a push service: no redirects, a deadline, an answer of bounded size. */
import { PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import type { Ports } from '@postern/core/runtime'
import { type Timer, underDeadline } from './deadline.js'

export interface PushPorts {
  readonly runtime: Pick<Ports, 'clock' | 'random' | 'crypto' | 'fetch'>
  readonly timer: Timer
  /** ms */
  readonly timeoutMs: number
}

/** The status and, of an error, what the service says; `null` when there was no answer. */
export interface Answer {
  readonly status: number
  readonly body: JsonObject | null
}

const MAX_ANSWER_BYTES = 16_384

export async function post(
  ports: PushPorts,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string,
): Promise<Answer | null> {
  const { fetch } = ports.runtime
  const done = await underDeadline(
    async (signal) => {
      // A redirect would carry the message and our token to a host that nobody allowed.
      const response = await fetch(url, { method: 'POST', headers, body: body as BodyInit, redirect: 'manual', signal })
      return { status: response.status, body: objectOf(await limited(response)) }
    },
    ports.timeoutMs,
    ports.timer,
  )
  return done.ok ? done.value : null
}

/** A service's no that no retry turns into a yes. */
export function refused(service: string, { status, body }: Answer): PosternError<'push.refused'> {
  return new PosternError('push.refused', {
    reason: `${service}: status ${status} ${body === null ? '' : JSON.stringify(body).slice(0, 200)}`.trim(),
  })
}

/** Whether the same message may pass later. */
export function mayPass(status: number): boolean {
  return status === 429 || status >= 500
}

async function limited(response: Response): Promise<string | null> {
  const reader = response.body?.getReader()
  if (reader === undefined) return null
  const decoder = new TextDecoder()
  let text = ''
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.length
    if (bytes > MAX_ANSWER_BYTES) {
      await reader.cancel()
      return null
    }
    text += decoder.decode(value, { stream: true })
  }
}

function objectOf(text: string | null): JsonObject | null {
  try {
    const value: JsonValue = text === null ? null : parseJson(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
  } catch {
    return null
  }
}
