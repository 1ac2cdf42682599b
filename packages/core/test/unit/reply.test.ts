import { genuineReply, lightReply, partsOf, replyText, textReply, withHeaders } from '@postern/core/reply'
import { describe, expect, it } from 'vitest'

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

describe('a light reply', () => {
  const parts = { status: 201, headers: { 'content-type': 'application/json' }, text: '{"é":1}' }

  it('is its parts, with further headers too, and no response is made of it', () => {
    const reply = withHeaders(lightReply(parts), { 'dpop-nonce': 'n' })
    expect(partsOf(reply)).toEqual({ ...parts, headers: { ...parts.headers, 'dpop-nonce': 'n' } })
    expect([reply.status, replyText(reply), reply.bodyUsed]).toEqual([201, '{"é":1}', false])
  })

  it('answers to what a response is asked, and is then one', async () => {
    const reply = lightReply(parts)
    expect([reply.ok, reply.headers.get('content-type'), reply.statusText]).toEqual([true, 'application/json', ''])
    expect([partsOf(reply), replyText(reply)]).toEqual([null, '{"é":1}'])
    reply.headers.set('x', 'y')
    const genuine = genuineReply(reply)
    expect(genuine).toBeInstanceOf(Response)
    expect([genuine.headers.get('x'), await reply.clone().json(), await genuine.text()]).toEqual(['y', { é: 1 }, '{"é":1}'])
    expect([reply.bodyUsed, replyText(reply)]).toEqual([true, null])
    expect(await lightReply(parts).text()).toBe('{"é":1}')
    expect(new TextDecoder().decode(await lightReply(parts).arrayBuffer())).toBe('{"é":1}')
    expect(lightReply(parts).body).toBeInstanceOf(ReadableStream)
  })

  it('another reply is changed in place and handed back', () => {
    const reply = new Response('text')
    expect(withHeaders(reply, { x: 'y' })).toBe(reply)
    expect([reply.headers.get('x'), partsOf(reply), genuineReply(reply)]).toEqual(['y', null, reply])
  })
})
