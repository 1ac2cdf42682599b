// One load generator for every server: keep-alive connections, each refreshing its own token again and again.
import { Agent, request } from 'node:http'

/** @returns {Promise<{ status: number, body: any }>} */
function send(agent, port, path, form) {
  const body = form === null ? '' : new URLSearchParams(form).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { agent, port, host: '127.0.0.1', path, method: form === null ? 'GET' : 'POST', headers },
      (incoming) => {
        const chunks = []
        incoming.on('data', (chunk) => chunks.push(chunk))
        incoming.on('end', () => resolve({ status: incoming.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** CPU of the server process, µs a request, over `count` refreshes by `lanes` connections. */
export async function round(port, { lanes, count, path, form }) {
  const agent = new Agent({ keepAlive: true, maxSockets: lanes })
  const tokens = (await send(agent, port, `/bench/tokens?n=${lanes}`, null)).body
  const before = (await send(agent, port, '/bench/cpu', null)).body
  let left = count
  await Promise.all(
    tokens.map(async (token) => {
      for (let refreshToken = token; left-- > 0; ) {
        const { status, body } = await send(agent, port, path, {
          ...form,
          grant_type: 'refresh_token',
          refresh_token: refreshToken,
        })
        if (status !== 200 || !body.access_token || !body.id_token || body.refresh_token === refreshToken)
          throw new Error(`${status} ${JSON.stringify(body)}`)
        refreshToken = body.refresh_token
      }
    }),
  )
  const after = (await send(agent, port, '/bench/cpu', null)).body
  agent.destroy()
  return (after - before) / count
}
