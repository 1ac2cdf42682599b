import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { exitCodes, main } from '@postern/cli/main'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { openKeyRing, unsealKeyRingDocument } from '@postern/core/keyRing'
import type { PolicyDocument } from '@postern/policy/document'
import { mobileSchema, starterDocument } from '@postern/policy/mobile'
import { hashSchema } from '@postern/policy/schema'
import { seededRandom, simClock } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'

const crypto = createCrypto()

/** A machine with these files. */
function machine(files: Record<string, string | Uint8Array> = {}) {
  const disk = new Map(Object.entries(files).map(([path, data]) => [path, typeof data === 'string' ? utf8(data) : data]))
  let out = ''
  let err = ''
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    read: async (path: string) => disk.get(path) ?? Promise.reject(new Error('ENOENT')),
    create: async (path: string, bytes: Uint8Array) => {
      if (disk.has(path)) throw new Error('EEXIST')
      disk.set(path, bytes)
    },
    ports: { clock: simClock().clock, random: seededRandom(3), crypto },
  }
  const run = async (...argv: string[]) => {
    out = ''
    err = ''
    return { code: await main(argv, io), out, err }
  }
  return { disk, run }
}

async function starter(change: Partial<PolicyDocument> = {}): Promise<string> {
  const schema = await hashSchema(mobileSchema, crypto)
  const levels = { pin: 2, 'device-key': 3 }
  return JSON.stringify({
    ...starterDocument({ id: 'main', schema, levels, login: 2, confirm: 2, acceptUnchecked: ['other'] }),
    ...change,
  })
}

describe('policy check', () => {
  it('passes what could be published, with its version', async () => {
    const { run } = machine({ 'p.json': await starter() })
    const { code, out } = await run('policy', 'check', 'p.json')
    expect(code).toBe(exitCodes.done)
    expect(out).toMatch(/^ok {2}sha256:[\w-]{43}\n/)
  })

  it('fails with every finding, and says the same in JSON', async () => {
    const fixtures = [{ name: 'an empty hand', facts: { action: 'login' }, expect: { outcome: 'allow' as const } }]
    const { run } = machine({ 'p.json': await starter({ fixtures }) })
    const { code, out } = await run('policy', 'check', 'p.json')
    expect(code).toBe(exitCodes.failed)
    expect(out).toContain('error  /fixtures/0')
    expect(out).toContain('fixtures: 0 passed, 1 failed')
    const json = await run('policy', 'check', '--json', 'p.json')
    expect(await run('--json', 'policy', 'check', 'p.json')).toEqual(json)
    expect(json.code).toBe(exitCodes.failed)
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, findings: [{ kind: 'fixture', at: '/fixtures/0' }] })
  })

  it('a document that is none fails; a file that is not there is bad usage', async () => {
    const { run } = machine({ 'p.json': '{"format":1,"format":2}' })
    expect((await run('policy', 'check', 'p.json')).code).toBe(exitCodes.failed)
    const missing = await run('policy', 'check', 'q.json')
    expect(missing).toMatchObject({ code: exitCodes.usage, out: '', err: 'postern: q.json cannot be read.\n' })
  })

  it('what a document says cannot steer a terminal', async () => {
    const document = JSON.parse(await starter()) as PolicyDocument
    const fixtures = [{ name: '\u001b[2Jgone', facts: { action: 'login' }, expect: { outcome: 'allow' as const } }]
    const { run } = machine({ 'p.json': JSON.stringify({ ...document, fixtures }) })
    expect((await run('policy', 'check', 'p.json')).out).not.toContain('\u001b')
  })
})

describe('policy explain', () => {
  const facts = JSON.stringify({ action: 'login', 'app.id': 'retail', 'app.versionStatus': 'disabled' })

  it('decides as the server would, and says which rule did', async () => {
    const { run } = machine({ 'p.json': await starter(), 'f.json': facts })
    const { code, out } = await run('policy', 'explain', 'p.json', '--facts', 'f.json')
    expect(code).toBe(exitCodes.done)
    expect(out).toMatch(/^deny {2}app\.disabled/)
    expect(out).toContain('+ version-disabled (deny)')
    const json = JSON.parse((await run('policy', 'explain', 'p.json', '--facts', 'f.json', '--json')).out)
    expect(json.decision).toMatchObject({ outcome: 'deny', matched: expect.arrayContaining(['version-disabled']) })
    expect(json.explanation.rules.length).toBeGreaterThan(5)
  })

  it('a user is told no rule and no threshold', async () => {
    const { run } = machine({ 'p.json': await starter(), 'f.json': facts })
    const { out } = await run('policy', 'explain', 'p.json', '--facts', 'f.json', '--audience', 'user')
    expect(out).toBe('deny  app.disabled\n')
  })

  it('facts that are none, or that nobody knows, are bad usage', async () => {
    const { run } = machine({
      'p.json': await starter(),
      'a.json': '[]',
      'b.json': '{"action":"login","shoe":44}',
      'c.json': '{}',
    })
    for (const file of ['a.json', 'b.json', 'c.json', 'none.json'])
      expect((await run('policy', 'explain', 'p.json', '--facts', file)).code).toBe(exitCodes.usage)
    expect((await run('policy', 'explain', 'p.json')).code).toBe(exitCodes.usage)
    expect((await run('policy', 'explain', 'p.json', '--facts', 'b.json')).err).toContain('shoe')
  })
})

describe('keys create', () => {
  it('seals a new ring under a master key, which alone opens it', async () => {
    const { run, disk } = machine()
    const { code, out } = await run('keys', 'create', '--out', 'ring', '--new-master-key', 'master', '--json')
    expect(code).toBe(exitCodes.done)
    const document = await unsealKeyRingDocument(disk.get('ring')!, disk.get('master')!, { crypto })
    expect(JSON.parse(out)).toEqual({ file: 'ring', sealed: true, alg: 'ES256', kid: document.signing[0]!.kid })
    await expect(openKeyRing(document, crypto)).resolves.toBeDefined()
    expect(fromUtf8(disk.get('ring')!)?.includes(document.root) ?? false).toBe(false)
    expect(out).not.toContain(document.root)
  })

  it('takes a master key raw, in hex and in base64url', async () => {
    const raw = new Uint8Array(32).fill(0xab)
    const { run, disk } = machine({ raw, hex: `${'ab'.repeat(32)}\n`, url: `${'q6ur'.repeat(10)}q6s\n`, short: 'abcd' })
    for (const file of ['raw', 'hex', 'url']) {
      expect((await run('keys', 'create', '--out', `ring-${file}`, '--master-key', file, '--alg', 'Ed25519')).code).toBe(
        exitCodes.done,
      )
      const { signing } = await unsealKeyRingDocument(disk.get(`ring-${file}`)!, raw, { crypto })
      expect(signing[0]!.alg).toBe('Ed25519')
    }
    expect((await run('keys', 'create', '--out', 'x', '--master-key', 'short')).code).toBe(exitCodes.usage)
  })

  it('never writes over a file, and seals unless it is told not to', async () => {
    const { run, disk } = machine({ ring: 'mine' })
    expect((await run('keys', 'create', '--out', 'ring', '--unsealed')).code).toBe(exitCodes.usage)
    expect(fromUtf8(disk.get('ring')!)).toBe('mine')
    expect((await run('keys', 'create', '--out', 'new')).code).toBe(exitCodes.usage)
    expect((await run('keys', 'create', '--out', 'new', '--unsealed', '--new-master-key', 'm')).code).toBe(exitCodes.usage)
    expect([...disk.keys()]).toEqual(['ring'])
    expect((await run('keys', 'create', '--out', 'plain', '--unsealed')).out).toContain('not sealed')
    expect(JSON.parse(fromUtf8(disk.get('plain')!)!)).toMatchObject({ v: 1 })
  })
})

describe('usage', () => {
  it('help is an answer; nothing, nonsense and unknown options are not', async () => {
    const { run } = machine({ 'p.json': await starter() })
    expect(await run('--help')).toMatchObject({ code: 0, err: '' })
    expect((await run()).code).toBe(exitCodes.usage)
    expect((await run('policy', 'burn', 'p.json')).err).toContain('no such command')
    expect((await run('policy', 'check', 'p.json', '--force')).code).toBe(exitCodes.usage)
    expect((await run('policy', 'check')).code).toBe(exitCodes.usage)
    expect(JSON.parse((await run('toString', 'x', '--json')).out)).toMatchObject({ error: { code: 'usage' } })
  })

  const bin = fileURLToPath(new URL('../../dist/bin.js', import.meta.url))
  it.skipIf(!existsSync(bin) && process.env.POSTERN_REQUIRE !== 'all')('the built binary runs', () => {
    expect(execFileSync(process.execPath, [bin, '--help'], { encoding: 'utf8' })).toContain('postern policy check')
  })
})
