// Refresh with rotation, ES256 access and ID token, against oidc-provider: CPU of the server process, µs a request, medians of interleaved
// rounds, each server in a process of its own. One JSON line a case; ratio = peer ÷ ours.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { round } from './load.js'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const COUNT = Number(process.env.BENCH_EACH ?? 2000)
const LANES = 8
const TARGET = 2

async function serve(file) {
  const child = fork(new URL(file, import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = await once(child, 'message')
  return { child, port }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const form = { client_id: 'portal', client_secret: 'a-secret-that-is-long-enough-for-this-bench' }
const postern = await serve('./postern.js')
const peer = await serve('./oidcProvider.js')
try {
  const load = { lanes: LANES, form, path: '/token' }
  for (const { port } of [postern, peer]) await round(port, { ...load, count: 2 * COUNT })
  const ours = []
  const theirs = []
  for (let i = 0; i < ROUNDS; i++) {
    ours.push(await round(postern.port, { ...load, count: COUNT }))
    theirs.push(await round(peer.port, { ...load, count: COUNT }))
  }
  const [posternUs, peerUs] = [median(ours), median(theirs)]
  const ratio = peerUs / posternUs
  const line = {
    case: 'refresh.rotate.es256',
    postern_us: posternUs,
    peer: 'oidc-provider',
    peer_us: peerUs,
    ratio,
    limit_us: peerUs / TARGET,
    target: TARGET,
  }
  console.log(JSON.stringify(line, (_name, value) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value)))
} finally {
  postern.child.kill()
  peer.child.kill()
}
