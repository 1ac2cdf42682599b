import { replyText, textReply } from '@postern/core/reply'
import { expect, it } from 'vitest'

it('an unread reply has its text, beside being a response like any other', async () => {
  const reply = textReply('{"é":1}', { status: 201, headers: { 'content-type': 'application/json' } })
  expect(replyText(reply)).toBe('{"é":1}')
  expect(reply).toBeInstanceOf(Response)
  expect([reply.status, reply.headers.get('content-type'), await reply.text()]).toEqual([201, 'application/json', '{"é":1}'])
})

it('a reply that was read, even in part, must be treated as what it is', async () => {
  const read = textReply('text', {})
  await read.text()
  expect(replyText(read)).toBeNull()
  const begun = textReply('text', {})
  await begun.body!.getReader().read()
  expect(replyText(begun)).toBeNull()
})

it('of a reply made elsewhere, a copy included, nothing is known', () => {
  expect(replyText(new Response('text'))).toBeNull()
  expect(replyText(textReply('text', {}).clone())).toBeNull()
})
