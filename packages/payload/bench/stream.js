// 64 MiB in chunks of 64 KiB, sealed and opened as streams, beside a loop of raw AES-256-GCM calls over the same chunks. Each in a process of
// its own, for the memory; they take turns. Times are CPU, since other work shares the cores.
import { spawnSync } from 'node:child_process'
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { decodeRequestStream, encodeRequestStream } from '@postern/payload/bhttp'
import { openRequestStream, sealRequestStream } from '@postern/payload/ohttp'
import { median, mustEqual, random, report, round } from './harness.js'
import { config, crypto, find, message } from './world.js'

const CHUNK = 65_536
const CHUNKS = 1024
const ROUNDS = Number(process.env.BENCH_STREAM_ROUNDS ?? 7)
const TARGET = { ratio: 0.8, extraMiB: 40 }

const piece = new Uint8Array(randomBytes(CHUNK))

/** @param {number} chunks */
function source(chunks) {
  let left = chunks
  return new ReadableStream(
    {
      pull(controller) {
        if (left-- > 0) controller.enqueue(piece)
        else controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

/** @param {ReadableStream<Uint8Array>} stream @param {boolean} check */
async function drained(stream, check) {
  const reader = stream.getReader()
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return length
    if (check) {
      const at = length % CHUNK
      const head = value.subarray(0, CHUNK - at)
      mustEqual(head, piece.subarray(at, at + head.length), 'stream')
      if (head.length < value.length)
        mustEqual(value.subarray(head.length), piece.subarray(0, value.length - head.length), 'stream')
    }
    length += value.length
  }
}

const subjects = {
  /** @param {number} chunks */
  raw(chunks) {
    const bytes = randomBytes(32)
    const key = Number.parseInt(process.versions.node, 10) >= 22 ? createSecretKey(bytes) : bytes
    const iv = randomBytes(12)
    let length = 0
    for (let i = 0; i < chunks; i++) {
      iv.writeUInt32BE(i, 8)
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      const sealed = cipher.update(piece)
      cipher.final()
      const decipher = createDecipheriv('aes-256-gcm', key, iv)
      decipher.setAuthTag(cipher.getAuthTag())
      length += decipher.update(sealed).length
      decipher.final()
    }
    return length
  },
  /** @param {number} chunks @param {boolean} [check] */
  async postern(chunks, check = false) {
    const { sealed } = await sealRequestStream({ crypto, random }, config, 2, source(chunks), { chunkBytes: CHUNK })
    return drained((await openRequestStream(crypto, find, sealed)).message, check)
  },
  /** The same with the Binary HTTP message around the content. @param {number} chunks @param {boolean} [check] */
  async message(chunks, check = false) {
    const encoded = encodeRequestStream({ ...message(piece), content: source(chunks) })
    const { sealed } = await sealRequestStream({ crypto, random }, config, 2, encoded, { chunkBytes: CHUNK })
    const opened = await openRequestStream(crypto, find, sealed)
    return drained((await decodeRequestStream(opened.message)).content, check)
  },
}

/** @param {string} name */
async function measure(name) {
  const subject = subjects[/** @type {keyof typeof subjects} */ (name)]
  if ((await subject(64, true)) !== 64 * CHUNK) throw new Error(`${name}: unequal plaintext`)
  const before = process.memoryUsage.rss()
  const cpu = process.cpuUsage()
  if ((await subject(CHUNKS)) !== CHUNKS * CHUNK) throw new Error(`${name}: unequal plaintext`)
  const { user, system } = process.cpuUsage(cpu)
  const extraMiB = (process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20
  console.log(JSON.stringify({ us: user + system, extraMiB }))
}

/** @param {(name: string) => boolean} wanted */
export async function streamCases(wanted) {
  if (!wanted('stream.64m')) return
  const found = Object.fromEntries(Object.keys(subjects).map((name) => [name, { us: [], extraMiB: [] }]))
  for (let i = 0; i < ROUNDS; i++)
    for (const name of Object.keys(subjects)) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name], { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      const { us, extraMiB } = JSON.parse(stdout)
      found[name].us.push(us)
      found[name].extraMiB.push(extraMiB)
    }
  const of = (name) => ({ us: median(found[name].us), extra_mib: round(median(found[name].extraMiB)) })
  const raw = of('raw')
  for (const name of ['postern', 'message']) {
    const { us, extra_mib } = of(name)
    const more = {
      ...{ mib_per_s: round(64e6 / us), peer_mib_per_s: round(64e6 / raw.us), target: TARGET.ratio },
      ...{ extra_mib, peer_extra_mib: raw.extra_mib, limit_mib: TARGET.extraMiB },
    }
    report(name === 'postern' ? 'stream.64m' : 'stream.64m.message', us, 'raw AES-256-GCM', raw.us, raw.us / TARGET.ratio, more)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await measure(process.argv[2] ?? 'postern')
