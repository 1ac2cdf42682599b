// A call as its server sees it: bytes in to message bytes, message bytes to bytes out, counter window included; parsing, handler and store are not.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { openRequest, sealRequest, sealResponse } from '@postern/payload/ohttp'
import { beginSessionRequest, localSessions, openSessionRequest, sealSessionResponse } from '@postern/payload/session'
import { compare, mustEqual, random, report, round } from './harness.js'
import { config, crypto, find, now, rawAes } from './world.js'

/** Many and short: what else runs on the machine then spoils some of them, not all. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 600)

/** The same calls in every round, each round to a keeper that has seen none of them. @param {import('@postern/core/cryptoPort').CryptoPort} port @param {2 | 3} aead @param {Uint8Array} body @param {number} n */
async function sessionCall(port, aead, body, n) {
  const [id, secret] = [random(16), random(32)]
  const kept = { id, secret, aead, max: n, chunkBytes: 65_536, expiresAt: now + 1e9, binding: null }
  let sessions = localSessions({ clock: () => now, random, crypto: port })
  sessions.keep(kept)
  const session = sessions.find(id)
  const calls = Array.from({ length: n }, (_, i) => beginSessionRequest({ crypto: port, random }, session, i).seal(body))
  const prepare = () => {
    sessions = localSessions({ clock: () => now, random, crypto: port })
    sessions.keep(kept)
    return calls
  }
  const run = (sealed) => {
    const { message, session, counter, exchange } = openSessionRequest(port, sessions.find, sealed)
    if (sessions.claim(session, counter, 0) !== 'first') throw new Error('a counter that was used')
    return sealSessionResponse({ crypto: port, random }, exchange, message)
  }
  mustEqual(openSessionRequest(port, sessions.find, calls[0]).message, body, 'session')
  return { prepare, run, each: n }
}

/** @param {Uint8Array} body */
async function firstCall(body) {
  const calls = Array.from({ length: 20 }, () => sealRequest({ crypto, random }, config, 2, body).sealed)
  const prepare = () => calls
  const run = (sealed) => {
    const { message, exchange } = openRequest(crypto, find, sealed)
    return sealResponse({ crypto, random }, exchange, message)
  }
  mustEqual(openRequest(crypto, find, calls[0]).message, body, 'first')
  return { prepare, run, each: 20 }
}

/** The nine HMACs and two ChaCha20-Poly1305 of a call, over inputs as long as its own. @param {Uint8Array} body */
function nobleFloor(body) {
  const key = random(32)
  const [short, long] = [random(62), random(110)]
  const nonce = random(12)
  const sealed = chacha20poly1305(key, nonce).encrypt(body)
  const run = () => {
    for (let i = 0; i < 9; i++) hmac(sha256, key, i < 5 ? long : short)
    chacha20poly1305(key, nonce).decrypt(sealed)
    chacha20poly1305(key, nonce).encrypt(body)
  }
  return { run }
}

/** @param {(name: string) => boolean} wanted */
export async function sessionCases(wanted) {
  const body = random(256)
  const factor = Number.parseInt(process.versions.node, 10) >= 22 ? 9 : 8
  if (wanted('session.256') || wanted('first.256')) {
    const subjects = { session: await sessionCall(crypto, 2, body, 60), first: await firstCall(body), aes: rawAes(256) }
    const { session, first, aes } = await compare(subjects, 60, ROUNDS)
    const against = ({ us, p10 }) => ({ times_aes: round(us / aes.us), p10_us: round(p10), p10_times_aes: round(p10 / aes.p10) })
    if (wanted('session.256')) report('session.256', session.us, 'aes-256-gcm', aes.us, factor * aes.us, against(session))
    if (wanted('first.256')) report('first.256', first.us, 'aes-256-gcm', aes.us, 60 * aes.us, against(first))
  }
  if (wanted('noble.1024')) {
    const larger = new Uint8Array(1024).fill(7)
    const subjects = { noble: await sessionCall(createNoble(), 3, larger, 20), floor: nobleFloor(larger) }
    const { noble, floor } = await compare(subjects, 20, ROUNDS / 4)
    const p10_ratio = round(floor.p10 / noble.p10)
    report('noble.1024', noble.us, 'noble primitives summed', floor.us, 1.5 * floor.us, { p10_us: round(noble.p10), p10_ratio })
  }
}
