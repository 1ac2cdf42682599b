// 64 MiB in chunks of 64 KiB, sealed and opened as streams, beside a loop of raw AES-256-GCM calls over the same chunks. Times take turns in one
// process and are CPU, since other work shares the cores; memory is that of a fresh process each.
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

/** Peak memory above what the process held before, in MiB. @param {keyof typeof subjects} name */
async function memoryOf(name) {
  const before = process.memoryUsage.rss()
  await subjects[name](CHUNKS)
  return (process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20
}

/** Medians of CPU µs by subject. */
async function times() {
  const names = /** @type {(keyof typeof subjects)[]} */ (Object.keys(subjects))
  for (const name of names) if ((await subjects[name](64, true)) !== 64 * CHUNK) throw new Error(`${name}: unequal plaintext`)
  const us = Object.fromEntries(names.map((name) => [name, /** @type {number[]} */ ([])]))
  for (let i = -2; i < ROUNDS; i++)
    for (const name of names) {
      const cpu = process.cpuUsage()
      await subjects[name](CHUNKS)
      const { user, system } = process.cpuUsage(cpu)
      if (i >= 0) us[name].push(user + system)
    }
  return Object.fromEntries(names.map((name) => [name, median(us[name])]))
}

/** What this file prints in a process of its own: no other case's heap and code are in the way. @param {string} what */
function fresh(what) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), what], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** The second line has the Binary HTTP message around the content, for which no target is set. @param {(name: string) => boolean} wanted */
export async function streamCases(wanted) {
  if (!wanted('stream.64m')) return
  const us = fresh('times')
  const memory = Object.fromEntries(Object.keys(us).map((name) => [name, median([1, 2, 3].map(() => fresh(name)))]))
  const line = (name) => ({
    ...{ mib_per_cpu_s: round(64e6 / us[name]), peer_mib_per_cpu_s: round(64e6 / us.raw) },
    ...{ extra_mib: round(memory[name]), peer_extra_mib: round(memory.raw) },
  })
  const target = { target: TARGET.ratio, limit_mib: TARGET.extraMiB }
  report('stream.64m', us.postern, 'raw AES-256-GCM', us.raw, us.raw / TARGET.ratio, { ...line('postern'), ...target })
  report('stream.64m.message', us.message, 'raw AES-256-GCM', us.raw, null, line('message'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , what] = process.argv
  const found = what === 'times' ? await times() : await memoryOf(/** @type {keyof typeof subjects} */ (what ?? 'postern'))
  console.log(JSON.stringify(found))
}
