/// <reference types="node" />
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNode } from '@postern/platform/node'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const echo = async (request: Request) => {
  const headers = new Headers({ 'content-type': 'text/plain' })
  headers.append('set-cookie', 'a=1; Path=/')
  headers.append('set-cookie', 'b=2; Path=/')
  return new Response(`${request.method} ${request.url} ${await request.text()}`, { headers })
}

describe('toNode', () => {
  it('hands on the original path below a mount, under the configured origin and never the Host header (H10)', async () => {
    const app = express().use('/postern', toNode(echo, { origin: 'https://bank.example' }))
    const answer = await fetch(`${await listen(app)}/postern/token?x=1`, { headers: { 'x-forwarded-host': 'evil.example' } })
    expect(await answer.text()).toBe('GET https://bank.example/postern/token?x=1 ')
  })

  it('keeps both cookies, and the one an earlier middleware set, with X-Powered-By on', async () => {
    const app = express()
    app.use((_req, res, next) => {
      res.cookie('host', 'h')
      next()
    })
    app.use(toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app))
    expect(answer.headers.get('x-powered-by')).toBe('Express')
    expect(answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0])).toEqual(['host=h', 'a=1', 'b=2'])
  })

  it.each([
    ['application/json', '{"a":1}', '{"a":1}'],
    ['application/x-www-form-urlencoded', 'a=1&b=two+words', 'a=1&b=two+words'],
    ['text/plain', 'left alone', 'left alone'],
  ])('works behind body parsers: %s', async (type, sent, seen) => {
    const app = express().use(
      express.json(),
      express.urlencoded({ extended: true }),
      toNode(echo, { origin: 'http://localhost' }),
    )
    const answer = await fetch(await listen(app), { method: 'POST', body: sent, headers: { 'content-type': type } })
    expect(await answer.text()).toBe(`POST http://localhost/ ${seen}`)
  })

  it('shows the strict parser a duplicate parameter that a parser folded into an array (H05)', async () => {
    const app = express().use(express.urlencoded({ extended: false }), toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app), { method: 'POST', body: new URLSearchParams('a=1&a=2') })
    expect(await answer.text()).toContain('a=1&a=2')
  })

  it('refuses a parsed body that cannot be rebuilt', async () => {
    const app = express().use(express.urlencoded({ extended: true }), toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app), {
      method: 'POST',
      body: 'a[b]=1',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.status).toBe(400)
  })

  it('streams an answer, and tells the handler when the caller has gone', async () => {
    let gone: (value: boolean) => void = () => undefined
    const seen = new Promise<boolean>((resolve) => {
      gone = resolve
    })
    const url = await listen(
      toNode(
        async (request) => {
          request.signal.addEventListener('abort', () => gone(true))
          return new Response(new ReadableStream({ start: (out) => out.enqueue(new TextEncoder().encode('first')) }))
        },
        { origin: 'http://localhost' },
      ),
    )
    const abort = new AbortController()
    const answer = await fetch(url, { signal: abort.signal })
    const { value } = await answer.body!.getReader().read()
    expect(new TextDecoder().decode(value)).toBe('first')
    abort.abort()
    expect(await seen).toBe(true)
  })

  it('answers HEAD without a body', async () => {
    const answer = await fetch(await listen(toNode(echo, { origin: 'http://localhost' })), { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })
})
