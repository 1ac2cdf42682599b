/// <reference types="node" />
/** A web handler behind a real HTTP server, and every evaluation exchange held against the published schemas. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { missing, vector } from './vectors/files.js'

export interface Served {
  readonly url: string
  /** POST a value (a string as it is) and read JSON. */
  readonly post: (path: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Reply>
  readonly get: (path: string) => Promise<Reply>
  readonly close: () => Promise<void>
}
export interface Reply {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  readonly body: any
  readonly headers: Headers
}

const schemas: { request: ValidateFunction; response: ValidateFunction } | null = missing ? null : read()

function read(): { request: ValidateFunction; response: ValidateFunction } {
  const ajv = new Ajv2020({ strict: false })
  const schema = (name: string): ValidateFunction =>
    ajv.compile(JSON.parse(vector(`authzen/evaluation-${name}.schema.json`)) as object)
  return { request: schema('request'), response: schema('response') }
}

/** @throws when a valid request, or member of a batch, is not answered with a valid response, or an invalid one with anything but an error */
function judge(path: string, sent: unknown, { status, body }: Reply): void {
  if (schemas === null || (status !== 200 && status !== 400)) return
  const answers = path.endsWith('/evaluation') ? [body] : path.endsWith('/evaluations') ? (body.evaluations ?? [body]) : []
  if (status === 200)
    for (const answer of answers)
      if (!schemas.response(answer)) throw new Error(`not an evaluation response: ${JSON.stringify(answer)}`)
  if (status === 200 && body.evaluations) {
    const { evaluations, options: _, ...defaults } = sent as { evaluations: unknown[]; options?: unknown }
    for (const [i, answer] of (body.evaluations as { context: { error?: unknown } }[]).entries()) {
      const member = evaluations[i]
      const whole = typeof member === 'object' ? { ...defaults, ...member } : member
      if (schemas.request(whole) !== (answer.context.error === undefined)) throw new Error(`${i}: ${JSON.stringify(answer)}`)
    }
  }
  if (path.endsWith('/evaluation') && schemas.request(sent) !== (status === 200))
    throw new Error(`${status} for ${JSON.stringify(sent)}`)
}

export async function serve(handler: (request: Request) => Promise<Response>): Promise<Served> {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const init = { method: req.method!, headers: req.headers as Record<string, string> }
    const body = req.method === 'GET' ? {} : { body: Buffer.concat(chunks) }
    const answer = await handler(new Request(`http://${req.headers.host}${req.url}`, { ...init, ...body }))
    res.writeHead(answer.status, Object.fromEntries(answer.headers))
    res.end(await answer.text())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const send = async (path: string, init: RequestInit): Promise<Reply> => {
    const answer = await fetch(url + path, init)
    return { status: answer.status, body: await answer.json(), headers: answer.headers }
  }
  return {
    url,
    async post(path, body, headers = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const reply = await send(path, { method: 'POST', body: text, headers: { 'content-type': 'application/json', ...headers } })
      if (typeof body !== 'string') judge(path, body, reply)
      return reply
    },
    get: (path) => send(path, {}),
    close: () => new Promise((done) => server.close(() => done())),
  }
}
