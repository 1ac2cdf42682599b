/// <reference types="node" />
/** Debian's python3-cryptography opens what we seal; OpenSSL agrees on every key agreement. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { type AeadId, kemPrivateKey } from '../../src/hpke.js'
import { sealRecord } from '../../src/internal/records/record.js'
import {
  beginChunkedRequest,
  openChunkedRequest,
  openRequest,
  sealChunkedResponse,
  sealRequest,
  sealResponse,
} from '../../src/ohttp.js'
import { beginSessionRequest, type HeldSession, openSessionRequest, sealSessionResponse } from '../../src/session.js'
import { backends } from '../backends.js'
import { random } from '../world.js'

const required = process.env['POSTERN_REQUIRE'] === 'all'
const PYTHON = '/usr/bin/python3'
const runs = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).status === 0
const noPython = !required && !runs(PYTHON, '-c', 'import cryptography')
const noOpenssl = !required && !runs('openssl', 'version')

interface Case {
  readonly sealed: object
  readonly holds: object
}

const messages = (size: number): { request: Uint8Array; reply: Uint8Array } => ({
  request: random(size),
  reply: random(size + 1),
})
const held = ({ request, reply }: ReturnType<typeof messages>) => ({ request: hex(request), reply: hex(reply) })

describe.skipIf(noPython)('python3-cryptography opens', () => {
  for (const crypto of backends) {
    const ports = { crypto, random }
    it(`${crypto.name}: single-shot and chunked messages of both KEMs and every AEAD, calls of a session, sealed records`, async () => {
      const cases: Case[] = []
      for (const aead of [1, 2, 3] as const) {
        for (const kem of [0x0020, 0x0010] as const) cases.push(await single(kem, aead), await chunked(kem, aead))
        cases.push(await session(aead))
      }
      for (const size of [0, 300, 70_000]) cases.push(await record(size))
      const { stdout, stderr, status } = spawnSync(PYTHON, [fileURLToPath(new URL('openSealed.py', import.meta.url))], {
        input: JSON.stringify(cases.map(({ sealed }) => sealed)),
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      })
      expect(stderr).toBe('')
      expect(status).toBe(0)
      expect(JSON.parse(stdout)).toEqual(cases.map(({ holds }) => holds))
      expect(cases).toHaveLength(18)
    })

    async function offer(kem: 0x0020 | 0x0010, aead: AeadId) {
      const sk = random(32).fill(1, 0, 1)
      const privateKey = await kemPrivateKey(crypto, kem, sk)
      const config = { keyId: 7, kem, publicKey: privateKey.publicKey, suites: [{ kdf: 1, aead }] } as const
      return { sk, config, find: () => ({ config, privateKey }) }
    }

    async function single(kem: 0x0020 | 0x0010, aead: AeadId): Promise<Case> {
      const { sk, config, find } = await offer(kem, aead)
      const plain = messages(500)
      const { sealed } = await sealRequest(ports, config, aead, plain.request)
      const { exchange } = await openRequest(crypto, find, sealed)
      const reply = await sealResponse(ports, exchange, plain.reply)
      return { sealed: { kind: 'single', kem, sk: hex(sk), request: hex(sealed), reply: hex(reply) }, holds: held(plain) }
    }

    async function chunked(kem: 0x0020 | 0x0010, aead: AeadId): Promise<Case> {
      const { sk, config, find } = await offer(kem, aead)
      const plain = messages(40_000)
      const sealed = await (await beginChunkedRequest(ports, config, aead)).seal(plain.request)
      const { exchange } = await openChunkedRequest(crypto, find, sealed)
      const reply = await sealChunkedResponse(ports, exchange, plain.reply)
      return { sealed: { kind: 'chunked', kem, sk: hex(sk), request: hex(sealed), reply: hex(reply) }, holds: held(plain) }
    }

    async function session(aead: AeadId): Promise<Case> {
      const secret = random(32)
      const key = await crypto.hmacKey('SHA-256', secret)
      const one: HeldSession = { id: random(16), key, aead, max: 10, chunkBytes: 16_384, expiresAt: 1, binding: null }
      const plain = messages(20_000)
      const sealed = await (await beginSessionRequest(ports, one, 3)).seal(plain.request)
      const { exchange } = await openSessionRequest(crypto, () => one, sealed)
      const reply = await sealSessionResponse(ports, exchange, plain.reply)
      return { sealed: { kind: 'session', secret: hex(secret), request: hex(sealed), reply: hex(reply) }, holds: held(plain) }
    }

    async function record(size: number): Promise<Case> {
      const [value, secret] = [new Uint8Array(size).map((_, i) => i * 7), random(32)]
      const place = { store: 'wallet', name: 'accounts', gen: 4711 }
      const sealed = await sealRecord(ports, { id: '01020304', secret }, place, value)
      return { sealed: { kind: 'record', dek: hex(secret), ...place, record: hex(sealed) }, holds: { value: hex(value) } }
    }
  }
})

describe.skipIf(noOpenssl)('openssl pkeyutl -derive', () => {
  // RFC 8410 §7 and RFC 5915 §3, up to the private key; RFC 8410 §4 and RFC 5480 §2, up to the public one.
  const GROUPS = {
    X25519: { pkcs8: '302e020100300506032b656e04220420', spki: '302a300506032b656e032100' },
    'P-256': {
      pkcs8: '3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420',
      spki: '3059301306072a8648ce3d020106082a8648ce3d030107034200',
    },
  } as const

  for (const group of ['X25519', 'P-256'] as const)
    it(`agrees with every backend on ${group}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'agree-'))
      try {
        for (let i = 0; i < 4; i++) {
          const [ours, theirs] = [random(32).fill(1, 0, 1), random(32).fill(1, 0, 1)]
          const pair = await backends[2]!.dhKeyPair(group, theirs)
          const [key, peer] = [join(folder, 'key.der'), join(folder, 'peer.der')]
          writeFileSync(key, concat(fromHex(GROUPS[group].pkcs8)!, ours))
          writeFileSync(peer, concat(fromHex(GROUPS[group].spki)!, pair.publicKey))
          const derive = ['pkeyutl', '-derive', '-keyform', 'DER', '-inkey', key, '-peerform', 'DER', '-peerkey', peer]
          const { stdout, stderr, status } = spawnSync('openssl', derive)
          expect([status, stderr.toString()]).toEqual([0, ''])
          for (const crypto of backends) {
            const secret = await crypto.dh(group, await crypto.dhKeyPair(group, ours), pair.publicKey)
            expect(hex(secret!)).toBe(hex(new Uint8Array(stdout)))
          }
        }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
})
