/// <reference types="node" />
/**
 * Known answers of pin/v1 and key/v1: every byte string of the protocols, as committed in `pin-v1.json`, from our encoders and from a second
 * one that shares nothing with them. A change of any byte breaks every app and record that is out there.
 */
import { Buffer } from 'node:buffer'
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Purpose } from '@postern/authenticators/authenticator'
import { keyContext, keyEnrolStatement, keyLostStatement, keyStatement } from '@postern/authenticators/deviceKey/messages'
import { createKe1, createKe3, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { pinKeysFrom } from '@postern/authenticators/pin/keys'
import {
  clientIdentity,
  credentialIdentifier,
  enrolRecordStatement,
  enrolRequestStatement,
  exportInfo,
  ke1Statement,
  ke3Statement,
  passwordInput,
  pinContext,
  sessionInfo,
  wrongStatement,
} from '@postern/authenticators/pin/messages'
import { hex, utf8 } from '@postern/core/bytes'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import { describe, expect, it } from 'vitest'
import { markerKey } from '../../src/internal/challenge.js'
import { purposeBytes } from '../../src/internal/context.js'
import { restoredKey } from '../../src/internal/pinBegin.js'
import { opaqueEngine } from '../../src/internal/pinEngine.js'
import {
  encodeKe2Handle,
  encodePinChallenge,
  encodeRecordHandle,
  encodeRequestHandle,
  readKe2Handle,
  readPinChallenge,
  readRecordHandle,
  readRequestHandle,
} from '../../src/internal/pinHandle.js'
import type { PinPorts } from '../../src/internal/pinPorts.js'
import { decodePinRecord, encodePinRecord } from '../../src/internal/pinRecord.js'
import { opaqueSuites } from '../../src/internal/pinSuites.js'
import { byteReader } from '../../src/internal/reader.js'
import { expand512, hmac512, outsideEngine, ristretto, x25519 } from '../outsideEngine.js'
import { crypto } from '../world.js'

const file = new URL('./pin-v1.json', import.meta.url)
const known = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>>

/** n bytes that count up from a first one. */
const run = (n: number, first: number) => Uint8Array.from({ length: n }, (_, i) => (first + i) & 255)
const names = { issuer: 'https://bank.example', tenant: 'bänk', app: 'retail', device: 'd-1' }
const enrolment = '000102030405060708090a0b0c0d0e0f'
const generation = 0x01020304
const [nonce, bind, m1Hash, ke2Hash] = [run(32, 1), run(32, 33), run(32, 65), run(32, 97)]
const [request, response, record, ke1, ke3, policy] = [run(32, 1), run(64, 2), run(192, 3), run(96, 4), run(64, 5), run(20, 6)]
const secret = run(32, 7)
const members = { ...names, enrolment, generation, purpose: 'login', bind: null } as const
const login = pinContext(members)
const sha = (data: Uint8Array) => createHash('sha256').update(data).digest()
const rev = '01JD0000000000000000000000'
const expiresAt = 1_800_000_000_123

// The second encoder: T, lp and integers as §3.1 writes them down, on Buffers.
const B = (part: Uint8Array | string) => Buffer.from(part as string)
const int = (value: number, width: 1 | 2 | 4 | 8) => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(BigInt(value))
  return out.subarray(8 - width)
}
const lp = (part: Uint8Array | string) => Buffer.concat([int(B(part).length, 2), B(part)])
const T = (label: string, ...fields: (Uint8Array | string)[]) =>
  Buffer.concat([lp(label), int(fields.length, 1), ...fields.map(lp)])
const contextOf = (proto: string, purpose: string, g: number, bound: Uint8Array | null) => {
  const { issuer, tenant, app, device } = names
  return T('postern:context/v1', proto, issuer, tenant, app, device, enrolment, int(g, 4), purpose, bound ?? '')
}
const L = contextOf('pin/v1', 'login', generation, null)
const K = contextOf('key/v1', 'login', 0, null)
const head = (purpose: number, bound: Uint8Array | null) =>
  Buffer.concat([int(1, 1), lp(names.device), lp(enrolment), int(generation, 4), int(purpose, 1), lp(bound ?? '')])
const root = run(32, 8)

type Answer = { readonly ours: Uint8Array | string | Promise<Uint8Array | string>; readonly theirs: Uint8Array | string }
const answers: Record<string, Answer> = {}
const purposes: readonly Purpose[] = ['enrol', 'login', 'step-up', 'confirm', 'change', 'activate', 'remove']
for (const [i, purpose] of purposes.entries()) {
  answers[`context ${purpose}`] = {
    ours: pinContext({ ...members, purpose }),
    theirs: contextOf('pin/v1', purpose, generation, null),
  }
  answers[`context ${purpose}, bound`] = {
    ours: pinContext({ ...members, purpose, bind }),
    theirs: contextOf('pin/v1', purpose, generation, bind),
  }
  answers[`purpose ${purpose}`] = { ours: Uint8Array.of(purposeBytes[purpose]), theirs: int(i + 1, 1) }
}
const { tenant, device } = names
const keyLogin = keyContext({ ...members })
const session = (use: string) => hkdfExpand(crypto, 'SHA-512', ke3, sessionInfo(login, use), 32)
const exported = async (use: string) =>
  hkdfExpand(
    crypto,
    'SHA-256',
    await hkdfExtract(crypto, 'SHA-256', new Uint8Array(0), ke3),
    exportInfo(enrolment, generation, use),
    32,
  )
const mac256 = (key: Uint8Array, data: Uint8Array) => createHmac('sha256', key).update(data).digest()
Object.assign(answers, {
  'enrol request': {
    ours: enrolRequestStatement(login, nonce, request),
    theirs: T('postern:pin/v1:enrol-request', L, nonce, request),
  },
  'enrol record': {
    ours: enrolRecordStatement(login, nonce, sha(request), sha(response), record, policy),
    theirs: T('postern:pin/v1:enrol-record', L, nonce, sha(request), sha(response), record, policy),
  },
  m1: { ours: ke1Statement(login, nonce, ke1), theirs: T('postern:pin/v1:ke1', L, nonce, ke1) },
  m3: { ours: ke3Statement(login, m1Hash, ke2Hash, ke3), theirs: T('postern:pin/v1:ke3', L, m1Hash, ke2Hash, ke3) },
  wrong: { ours: wrongStatement(login, m1Hash), theirs: T('postern:pin/v1:wrong', L, m1Hash) },
  'credential identifier': {
    ours: credentialIdentifier(tenant, device, enrolment, generation),
    theirs: T('postern:pin/v1:credential', tenant, device, enrolment, int(generation, 4)),
  },
  'client identity': {
    ours: clientIdentity(tenant, device, enrolment),
    theirs: T('postern:pin/v1:client', tenant, device, enrolment),
  },
  password: {
    ours: (async () => crypto.hmac(await crypto.hmacKey('SHA-256', secret), passwordInput(utf8('27182'))))(),
    theirs: mac256(secret, T('postern:pin/v1:password', '27182')),
  },
  'session key': { ours: session('payload'), theirs: expand512(ke3, T('postern:pin/v1:session', L, 'payload'), 32) },
  'export key': {
    ours: exported('storage'),
    theirs: mac256(
      mac256(new Uint8Array(32), ke3),
      Buffer.concat([T('postern:pin/v1:export', enrolment, int(generation, 4), 'storage'), int(1, 1)]),
    ),
  },
  'key context': { ours: keyLogin, theirs: K },
  'key enrol': { ours: keyEnrolStatement(keyLogin, nonce, 'jkt'), theirs: T('postern:key/v1:enrol', K, nonce, 'jkt') },
  'key login': { ours: keyStatement(keyLogin, nonce), theirs: T('postern:key/v1', K, nonce) },
  'key lost to os-lockout': {
    ours: keyLostStatement(keyLogin, nonce, 'os-lockout'),
    theirs: T('postern:key/v1:lost', K, nonce, 'os-lockout'),
  },
  'key lost to key-invalidated': {
    ours: keyLostStatement(keyLogin, nonce, 'key-invalidated'),
    theirs: T('postern:key/v1:lost', K, nonce, 'key-invalidated'),
  },
  'marker ch/': { ours: markerKey(crypto, nonce), theirs: `ch/${sha(nonce).toString('hex').slice(0, 32)}` },
  'counter after a restore': {
    ours: restoredKey({ crypto, epoch: () => 'epoch-1' } as unknown as PinPorts, enrolment),
    theirs: `pin/${enrolment}/r/${sha(B('epoch-1')).toString('hex').slice(0, 32)}`,
  },
} satisfies Record<string, Answer>)

const sealed = { device, enrolment, generation, nonce, expiresAt }
const challenge = { ...sealed, purpose: 'confirm', bind, next: null } as const
const activate = { ...sealed, purpose: 'activate', bind: null, next: { suite: '0003', after: rev } } as const
const asked = { ...sealed, purpose: 'change', bind: null, suite: '0002', after: rev } as const
const offered = { ...asked, version: 'v1', requestHash: sha(request), responseHash: sha(response) }
const pin = { suite: '0001', version: 'v1', generation, record, after: null } as const
const ke2 = {
  device,
  enrolment,
  generation,
  purpose: 'login',
  bind: null,
  rev,
  m1Hash,
  ke2Hash,
  value: encodePinRecord(pin),
  state: run(128, 9),
  attempts: 2,
  failures: 7,
  windowEnd: expiresAt + 1,
  expiresAt,
} as const
const storedPin = (suite: number) => [int(1, 1), int(suite, 2), lp('v1'), int(generation, 4), record] as const
const end = Buffer.concat([nonce, int(expiresAt, 8)])
Object.assign(answers, {
  'handle pin.challenge': { ours: encodePinChallenge(challenge), theirs: Buffer.concat([head(4, bind), end]) },
  'handle pin.challenge, activate': {
    ours: encodePinChallenge(activate),
    theirs: Buffer.concat([head(6, null), end, int(3, 2), lp(rev)]),
  },
  'handle pin.ticket': { ours: encodeRequestHandle(asked), theirs: Buffer.concat([head(5, null), end, int(2, 2), lp(rev)]) },
  'handle pin.record': {
    ours: encodeRecordHandle(offered),
    theirs: Buffer.concat([head(5, null), end, int(2, 2), lp(rev), lp('v1'), sha(request), sha(response)]),
  },
  'handle pin.ke2': {
    ours: encodeKe2Handle(ke2),
    theirs: Buffer.concat([
      head(2, null),
      lp(rev),
      m1Hash,
      ke2Hash,
      lp(Buffer.concat(storedPin(1))),
      lp(run(128, 9)),
      int(2, 1),
      int(7, 1),
      int(expiresAt + 1, 8),
      int(expiresAt, 8),
    ]),
  },
  'record pin/E': { ours: encodePinRecord(pin), theirs: Buffer.concat(storedPin(1)) },
  'record pin/E, suite 0002': { ours: encodePinRecord({ ...pin, suite: '0002' }), theirs: Buffer.concat(storedPin(2)) },
  'record pin/E/next': {
    ours: encodePinRecord({ ...pin, suite: '0003', after: rev }),
    theirs: Buffer.concat([...storedPin(3), lp(rev)]),
  },
} satisfies Record<string, Answer>)

const label = async (name: string) => sha(B(name))
for (const [suite, group] of [
  ['0001', ristretto],
  ['0002', ristretto],
  ['0003', x25519],
] as const) {
  const keys = () => pinKeysFrom({ secret: (name) => (name === 'postern:pin/v1:v1' ? root : label(name)) }, 'v1', suite, crypto)
  const derived = (use: string, length: number) => expand512(root, T('postern:pin/v1:keys', suite, use), length)
  const ours = async (part: 'publicKey' | 'privateKey' | 'fakePublicKey' | 'fakeSeed' | 'ke2Key') => (await keys())[part]
  const pair = group.pair(derived('ake', 32))
  Object.assign(answers, {
    [`keys ${suite} public`]: { ours: ours('publicKey'), theirs: pair.publicKey },
    [`keys ${suite} private`]: { ours: ours('privateKey'), theirs: pair.privateKey },
    [`keys ${suite} fake client`]: { ours: ours('fakePublicKey'), theirs: group.pair(derived('fake-client', 32)).publicKey },
    [`keys ${suite} fake masking`]: { ours: ours('fakeSeed'), theirs: derived('fake-masking', 64) },
    [`keys ${suite} ke2`]: { ours: ours('ke2Key'), theirs: derived('ke2', 64) },
    [`keys ${suite} seed of a credential`]: {
      ours: keys().then((k) => k.expandSeed(utf8('credential'))),
      theirs: hmac512(derived('oprf-seed', 64), 'credential', int(1, 1)).subarray(0, 32),
    },
  } satisfies Record<string, Answer>)
}

async function textOf(value: Answer['ours']): Promise<string> {
  const answer = await value
  return typeof answer === 'string' ? answer : hex(new Uint8Array(answer))
}

describe('pin/v1 and key/v1, known answers', () => {
  it.each(Object.keys(answers))('%s', async (name) => {
    expect(await textOf(answers[name]!.theirs)).toBe(known[name])
    expect(await textOf(answers[name]!.ours)).toBe(known[name])
  })

  it('what is sealed and stored reads back as it was', () => {
    const back = <T>(bytes: Uint8Array, read: (r: ReturnType<typeof byteReader>) => T): T => {
      const r = byteReader(bytes)
      const value = read(r)
      r.end()
      return value
    }
    expect(back(encodePinChallenge(challenge), readPinChallenge)).toEqual(challenge)
    expect(back(encodePinChallenge(activate), readPinChallenge)).toEqual(activate)
    expect(back(encodeRequestHandle(asked), readRequestHandle)).toEqual(asked)
    expect(back(encodeRecordHandle(offered), readRecordHandle)).toEqual({
      ...offered,
      requestHash: new Uint8Array(offered.requestHash),
      responseHash: new Uint8Array(offered.responseHash),
    })
    expect(back(encodeKe2Handle(ke2), readKe2Handle)).toEqual(ke2)
    for (const suite of ['0001', '0002', '0003'] as const) {
      expect(decodePinRecord(encodePinRecord({ ...pin, suite }))).toEqual({ ...pin, suite })
      const next = { ...pin, suite, after: rev }
      expect(decodePinRecord(encodePinRecord(next), 'next')).toEqual(next)
    }
  })

  it.each(['0001', '0003'] as const)('a whole ceremony of suite %s, message by message', async (suite) => {
    const s = opaqueSuites[suite]
    const keys = await pinKeysFrom({ secret: () => root }, 'v1', suite, crypto)
    const password = mac256(secret, T('postern:pin/v1:password', '27182'))
    const ids = { clientIdentity: T('postern:pin/v1:client', tenant, device, enrolment), serverIdentity: B(names.issuer) }
    const credential = T('postern:pin/v1:credential', tenant, device, enrolment, int(generation, 4))
    let drawn = 0
    const random = (n: number) => run(n, 16 * ++drawn)
    const made = createRegistrationRequest(s, password, { random })
    const engines = [opaqueEngine(s, crypto), outsideEngine(suite === '0003' ? x25519 : ristretto)]
    const asking = { request: made.request, credentialIdentifier: credential, keys }
    const responses = await Promise.all(engines.map((engine) => engine.registrationResponse(asking)))
    const answered = new Uint8Array(responses[0]!)
    const stretch = (input: Uint8Array) => input
    const registered = await finalizeRegistration(s, {
      ...ids,
      password,
      blind: made.blind,
      response: answered,
      envelopeNonce: random(32),
      stretch,
    })
    const state = await createKe1(s, password, { random })
    // KE2's randomness: HMAC-SHA-512(ke2Key, lp(R₁) ‖ SHA-256(m₁)).
    const m1 = T('postern:pin/v1:ke1', L, nonce, state.ke1)
    const seed = hmac512(expand512(root, T('postern:pin/v1:keys', suite, 'ke2'), 64), lp(rev), sha(m1))
    const input = { ...ids, record: registered.record, ke1: state.ke1, credentialIdentifier: credential, context: L, seed, keys }
    const twice = await Promise.all(engines.map((engine) => engine.ke2(input)))
    const done = await createKe3(s, { ...ids, password, state, ke2: new Uint8Array(twice[0]!.ke2), context: L, stretch })
    const parts = {
      request: made.request,
      response: responses[1]!,
      record: registered.record,
      ke1: state.ke1,
      ke2: twice[1]!.ke2,
    }
    const all = { ...parts, ke3: done!.ke3, session: done!.sessionKey, export: done!.exportKey }
    for (const [part, bytes] of Object.entries(all))
      expect(hex(new Uint8Array(bytes)), part).toBe(known[`ceremony ${suite} ${part}`])
    expect([hex(answered), hex(twice[0]!.ke2)]).toEqual([known[`ceremony ${suite} response`], known[`ceremony ${suite} ke2`]])
    for (const [i, engine] of engines.entries())
      expect(hex(new Uint8Array((await engine.finish(twice[i]!.state, done!.ke3))!))).toBe(known[`ceremony ${suite} session`])
  })

  it('every answer of the file is asked for', () => {
    const asking = [...Object.keys(answers), ...Object.keys(known).filter((name) => name.startsWith('ceremony '))]
    expect(Object.keys(known).sort()).toEqual(asking.sort())
    expect(asking.filter((name) => name.startsWith('ceremony '))).toHaveLength(16)
  })
})
