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
  return reply.bodyUsed ? null : (texts.get(reply) ?? null)
}
