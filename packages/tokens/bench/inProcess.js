// Cases in one process: CPU, µs an operation, beside the crypto port's raw operation on the same bytes; medians of interleaved rounds.
import { createHash } from 'node:crypto'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { readJws, signJws, verifyJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { systemPorts } from '@postern/core/systemRuntime'
import { nodeNonces } from '@postern/tokens/dpop'
import { accessTokenRules, proofRules } from '@postern/tokens/jose'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { createVerifier } from '@postern/tokens/resource'
import { line, median } from './report.js'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9)
const COUNT = Number(process.env.BENCH_EACH ?? 1000)
const issuer = 'https://id.example.com'
const api = 'https://api.example.com'

const ports = systemPorts()
const { crypto, clock, random } = ports
const keys = await openKeyRing(await createKeyRingDocument(ports), crypto)
const { signer, kid } = keys.signing.active(clock())
const now = Math.floor(clock() / 1000)
const claims = {
  iss: issuer,
  sub: 'user-1',
  aud: api,
  client_id: 'portal',
  exp: now + 1800,
  iat: now,
  jti: 'x'.repeat(190),
  scope: 'openid accounts',
  kind: 'user',
  acr: 'level1',
  amr: ['pwd'],
  auth_time: now,
}
const header = { typ: 'at+jwt', kid }

async function timed(run, count) {
  const { user, system } = process.cpuUsage()
  for (let i = 0; i < count; i++) await run(i)
  const after = process.cpuUsage()
  return (after.user + after.system - user - system) / count
}

/** `prepare`: what a round needs and nobody pays for. */
async function beside(name, { ours, raw, peer, target, prepare = async () => undefined }) {
  const took = { ours: [], raw: [] }
  for (let i = -2; i < ROUNDS; i++) {
    await prepare(COUNT)
    const us = await timed(ours, COUNT)
    const them = await timed(raw, COUNT)
    if (i >= 0) took.ours.push(us)
    if (i >= 0) took.raw.push(them)
  }
  const [posternUs, peerUs] = [median(took.ours), median(took.raw)]
  line({ case: name, postern_us: posternUs, peer, peer_us: peerUs, ratio: peerUs / posternUs, limit_us: peerUs / target, target })
}

/** @param {(name: string) => boolean} wanted */
export async function inProcessCases(wanted) {
  const token = await signJws(signer, header, claims)
  const jws = readJws(token, accessTokenRules())
  const key = await crypto.verifyKey('ES256', signer.publicJwk)
  const verifyRaw = () => crypto.verify(key, jws.signed, jws.signature)
  const known = new Map()
  const options = {
    issuer,
    audience: api,
    origin: api,
    keys: ringKeys({ keys, crypto, clock }),
    clock,
    crypto,
    nonces: nodeNonces({ random, crypto, clock }),
    replay: { mode: 'node', max: 10_000_000 },
  }
  const check = createVerifier(options)
  const asked = (headers) => ({ method: 'GET', url: `${api}/accounts?q=1`, headers: { get: (name) => headers[name] ?? null } })
  const bearer = asked({ authorization: `Bearer ${token}` })

  const device = await crypto.generateKey('ES256', random)
  const deviceSigner = await crypto.signer('ES256', device)
  const bound = await signJws(signer, header, { ...claims, cnf: { jkt: await thumbprint(crypto, device) } })
  const ath = createHash('sha256').update(bound).digest('base64url')
  const proofHeader = { typ: 'dpop+jwt', jwk: publicJwk(device) }
  let jti = 0
  let proved = []
  let raw = []
  const deviceKey = await crypto.verifyKey('ES256', publicJwk(device))
  const authorization = Buffer.from(`DPoP ${bound}`).toString('latin1')
  const prove = async (count) => {
    const nonce = await options.nonces.issue()
    proved = []
    raw = []
    for (let i = 0; i < count; i++) {
      const proof = { jti: `a-jti-of-some-length-${jti++}`, htm: 'GET', htu: `${api}/accounts`, iat: now, nonce, ath }
      // Flat strings, as a header is.
      const dpop = Buffer.from(await signJws(deviceSigner, proofHeader, proof)).toString('latin1')
      proved.push(asked({ authorization, dpop }))
      const { signed, signature } = readJws(dpop, proofRules())
      raw.push({ signed, signature })
    }
  }

  const cases = [
    [
      'jose.sign',
      {
        ours: () => signJws(signer, header, claims),
        peer: 'raw ES256 sign',
        raw: () => signer.sign(jws.signed),
        target: 1 / 1.25,
      },
    ],
    [
      'jose.verify',
      {
        ours: () => verifyJws(crypto, readJws(token, accessTokenRules(undefined, known)), key),
        peer: 'raw ES256 verify',
        raw: verifyRaw,
        target: 1 / 1.2,
      },
    ],
    ['resource.cached', { ours: () => check(bearer), peer: 'one ES256 verification', raw: verifyRaw, target: 10 }],
    [
      'resource.dpop',
      {
        ours: (i) => check(proved[i]),
        peer: 'one ES256 verification of each proof',
        raw: (i) => crypto.verify(deviceKey, raw[i].signed, raw[i].signature),
        prepare: prove,
        target: 1 / 1.25,
      },
    ],
  ]
  for (const [name, one] of cases) if (wanted(name)) await beside(name, one)
}
