/** Replies whose text an adapter can send as it is, without reading it back from a stream. */

const texts: WeakMap<Response, string> = /* @__PURE__ */ new WeakMap()

/** A `Response` like any other, of a text that {@link replyText} knows. */
export function textReply(text: string, init: ResponseInit): Response {
  const reply = new Response(text, init)
  texts.set(reply, text)
  return reply
}

/** The text of an unread reply of {@link textReply}; `null` for every other one, whose body must be read. Status and headers are the reply's. */
export function replyText(reply: Response): string | null {
  if (reply instanceof LightReply) return reply.parts?.text ?? replyText(reply.genuine())
  return reply.bodyUsed ? null : (texts.get(reply) ?? null)
}

/** All that an adapter writes. */
export interface ReplyParts {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/**
 * A reply for adapters that write its {@link partsOf | parts}, which are its own from here on: a `Response` is made of it only when one is asked for, which costs more than
 * an HMAC. It answers to a response's members but is none; who hands it to a runtime hands on what {@link genuineReply} makes of it.
 */
export function lightReply(parts: ReplyParts): Response {
  return new LightReply(parts) as unknown as Response
}

/** The parts of a light reply that nobody has asked for more; `null` for every other one. */
export function partsOf(reply: Response): ReplyParts | null {
  return reply instanceof LightReply ? reply.parts : null
}

/** The same reply with these headers besides. */
export function withHeaders(reply: Response, headers: Readonly<Record<string, string>>): Response {
  const parts = partsOf(reply)
  // They are the light reply's own, and nobody has seen them yet.
  if (parts !== null) Object.assign(parts.headers, headers)
  else for (const [name, value] of Object.entries(headers)) reply.headers.set(name, value)
  return reply
}

/** The runtime's own `Response` of a reply. */
export function genuineReply(reply: Response): Response {
  return reply instanceof LightReply ? reply.genuine() : reply
}

class LightReply {
  #parts: ReplyParts
  #genuine: Response | null = null
  constructor(parts: ReplyParts) {
    this.#parts = parts
  }
  /** `null` once a response stands for it: that one may have been changed. */
  get parts(): ReplyParts | null {
    return this.#genuine === null ? this.#parts : null
  }
  genuine(): Response {
    const { status, headers, text } = this.#parts
    this.#genuine ??= textReply(text, { status, headers })
    return this.#genuine
  }
  get status(): number {
    return this.#parts.status
  }
  get ok(): boolean {
    return this.genuine().ok
  }
  get headers(): Headers {
    return this.genuine().headers
  }
  get body(): Response['body'] {
    return this.genuine().body
  }
  get bodyUsed(): boolean {
    return this.#genuine?.bodyUsed ?? false
  }
  get statusText(): string {
    return this.genuine().statusText
  }
  clone(): Response {
    return this.genuine().clone()
  }
  text(): Promise<string> {
    return this.genuine().text()
  }
  json(): Promise<unknown> {
    return this.genuine().json()
  }
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.genuine().arrayBuffer()
  }
}
