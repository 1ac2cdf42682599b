// What node:http alone costs: a reply that was written before the request came, as long as the one it stands beside.
import { createServer } from 'node:http'

const document = (length) => `{"padding":"${'x'.repeat(Math.max(0, length - 14))}"}`
const replies = { '/metadata': document(Number(process.argv[2])), '/jwks': document(Number(process.argv[3])) }
const http = createServer((incoming, outgoing) => {
  const { user, system } = process.cpuUsage()
  if (incoming.url === '/bench/cpu') return outgoing.end(String(user + system))
  if (incoming.url.startsWith('/bench/'))
    return outgoing.end(JSON.stringify(Array(Number(new URL(incoming.url, 'http://bench').searchParams.get('n'))).fill(null)))
  if (incoming.method === 'POST') {
    // As long as what it stands for, both ways.
    incoming.resume()
    return incoming.on('end', () => reply(outgoing, document(Number(incoming.url.slice(1)))))
  }
  reply(outgoing, replies[incoming.url])
})

function reply(outgoing, text) {
  outgoing.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'public, max-age=300',
    'access-control-allow-origin': '*',
    'content-length': Buffer.byteLength(text),
  })
  outgoing.end(text)
}
http.listen(0, '127.0.0.1', () => process.send({ port: http.address().port, paths: { metadata: '/metadata', jwks: '/jwks' } }))
