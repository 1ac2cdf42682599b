// Cases beside another server: CPU of the server process, µs a request, medians of interleaved rounds, each server in a process of its own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { round } from './load.js'
import { line, median } from './report.js'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const COUNT = Number(process.env.BENCH_EACH ?? 2000)

async function serve(file, ...args) {
  const child = fork(new URL(file, import.meta.url), args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  const [{ port, paths }] = await once(child, 'message')
  return { child, port, paths }
}

/**
 * `target`: how many times the peer must cost what ours does. `bare`: node:http alone with requests and replies of these lengths, which both
 * sides pay; `net_ratio` is what is left of each beside it.
 */
async function beside(name, load, ours, theirs, peer, target, bare) {
  const took = { ours: [], theirs: [], bare: [] }
  await round(theirs, load, { count: 2 * COUNT })
  const lengths = await round(ours, load, { count: 2 * COUNT })
  for (let i = 0; i < ROUNDS; i++) {
    // Who goes first takes turns, too.
    const turns = [
      async () => took.ours.push((await round(ours, load, { count: COUNT })).us),
      async () => took.theirs.push((await round(theirs, load, { count: COUNT })).us),
    ]
    if (bare !== null) turns.push(async () => took.bare.push((await round(bare, 'bare', { count: COUNT, lengths })).us))
    for (const turn of i % 2 ? turns.reverse() : turns) await turn()
  }
  const [posternUs, peerUs, bareUs] = [median(took.ours), median(took.theirs), median(took.bare)]
  const net = bare === null ? {} : { bare_us: bareUs, net_ratio: (peerUs - bareUs) / (posternUs - bareUs) }
  line({
    case: name,
    postern_us: posternUs,
    peer,
    peer_us: peerUs,
    ratio: peerUs / posternUs,
    limit_us: peerUs / target,
    target,
    ...net,
  })
}

/** @param {(name: string) => boolean} wanted */
export async function serverCases(wanted) {
  const ours = await serve('./postern.js')
  const sizeOf = async (path) => (await (await fetch(`http://127.0.0.1:${ours.port}${path}`)).text()).length
  const provider = await serve('./oidcProvider.js')
  const constant = await serve('./constant.js', await sizeOf(ours.paths.metadata), await sizeOf(ours.paths.jwks))
  const cases = [
    ['issue.client_credentials.es256', 'clientCredentials', provider, 'oidc-provider', 2],
    ['refresh.rotate.es256', 'refresh', provider, 'oidc-provider', 2],
    ['refresh.rotate.dpop', 'refreshDpop', provider, 'oidc-provider', 2],
    ['introspect.opaque', 'introspect', provider, 'oidc-provider', 2],
    ['metadata', 'metadata', constant, 'node:http constant', 1 / 1.3],
    ['metadata.jwks', 'jwks', constant, 'node:http constant', 1 / 1.3],
  ]
  try {
    for (const [name, load, theirs, peer, target] of cases)
      if (wanted(name)) await beside(name, load, ours, theirs, peer, target, theirs === constant ? null : constant)
  } finally {
    for (const { child } of [ours, provider, constant]) child.kill()
  }
}
