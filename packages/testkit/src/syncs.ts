/// <reference types="node" />
/**
 * Whether an answer waits for the disk, for Node on Linux with strace: kill -9 cannot show it, since what a process wrote survives the
 * process. Only the order of the system calls shows that a file was synced between the write and the answer.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childrenOf } from './internal/servers/process.js'

/** What was seen of the answers while `during` ran. */
export interface SyncWitness {
  /** Answers before which the file was written, and then synced, since the answer before. */
  readonly synced: number
  /** Answers between a write to the file and the sync of it. */
  readonly early: number
}

export interface WitnessOptions {
  /** The process that is watched, with its children and threads. */
  readonly pid: number
  /** The path of the file whose sync counts: a journal. */
  readonly file: RegExp
  readonly during: () => Promise<unknown>
}

/** A disk that stalls. */
export interface SlowDisk {
  /** Lets go. A process that is killed while it syncs is gone only after it. */
  end(): Promise<void>
}

const WRITES = ['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']
const SYNCS = ['fsync', 'fdatasync']
const SENDS = ['write', 'writev', 'sendto', 'sendmsg']

/**
 * Watches a process and its children; an answer is anything that one of them writes to a socket.
 * @throws Error when strace cannot attach
 */
export async function witnessSyncs({ pid, file, during }: WitnessOptions): Promise<SyncWitness> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-strace-'))
  const out = join(folder, 'calls')
  try {
    const calls = [...new Set([...WRITES, ...SYNCS, ...SENDS])].join(',')
    const detach = await attached(pid, ['-y', '-s', '0', '-e', `trace=${calls}`, '-o', out])
    try {
      await during()
    } finally {
      await detach('SIGINT')
    }
    return judge(readFileSync(out, 'utf8').split('\n'), file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Makes each sync of a process and its children take so long: what is told before it is on the disk shows when the process dies meanwhile.
 * @throws Error when strace cannot attach
 */
export async function slowSyncs({ pid, ms }: { pid: number; ms: number }): Promise<SlowDisk> {
  const calls = SYNCS.join(',')
  const detach = await attached(pid, [
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:delay_enter=${ms * 1000}`,
    '-o',
    '/dev/null',
  ])
  // strace waits for ever for a thread that is killed while it is held.
  return { end: () => detach('SIGKILL') }
}

/** Attaches strace and gives the means to detach it. */
async function attached(pid: number, args: readonly string[]): Promise<(by: 'SIGINT' | 'SIGKILL') => Promise<void>> {
  const watched = [pid, ...childrenOf(pid)]
  const [program, ...rest] = [
    'strace',
    '-f',
    '-e',
    'signal=none',
    ...args,
    ...watched.flatMap((one) => ['-p', `${one}`]),
  ] as const
  const strace = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  const ended = new Promise<void>((resolve) => {
    strace.on('close', () => resolve())
    strace.on('error', (error) => {
      said += String(error)
    })
  })
  await new Promise<void>((resolve, reject) => {
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      // A child that ended in the meantime is named as one that could not be attached to.
      if (watched.every((one) => new RegExp(`(Process |SEIZE, )${one}\\b.*\\n`).test(said))) resolve()
    })
    ended.then(() => reject(new Error(`strace did not attach: ${said}`)))
  })
  return async (by) => {
    strace.kill(by)
    await ended
  }
}

function judge(lines: readonly string[], file: RegExp): SyncWitness {
  /** Calls that another process interrupted in the output, by process. */
  const begun = new Map<string, { readonly name: string; readonly path: string; readonly clean: boolean }>()
  let [synced, early] = [0, 0]
  /** Written and not synced yet; synced since the last answer. */
  let [dirty, fresh] = [false, false]

  const begins = (name: string, path: string): void => {
    if (!SENDS.includes(name) || !path.startsWith('socket:')) return
    if (dirty) early++
    else if (fresh) synced++
    fresh = false
  }
  /** @param clean - a sync that began before the last write does not cover it */
  const ends = (name: string, path: string, clean: boolean): void => {
    if (!file.test(path)) return
    if (WRITES.includes(name)) dirty = true
    if (SYNCS.includes(name) && dirty && clean) [dirty, fresh] = [false, true]
  }

  for (const line of lines) {
    const [, process = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const call = /^(\w+)\(\d+<([^>]*)>/.exec(rest)
    if (call) {
      const [, name = '', path = ''] = call
      begins(name, path)
      if (!rest.endsWith('<unfinished ...>')) ends(name, path, true)
      else {
        // A write counts from its beginning, a sync from its end.
        if (WRITES.includes(name)) ends(name, path, true)
        else begun.set(process, { name, path, clean: true })
      }
      if (WRITES.includes(name) && file.test(path)) for (const [id, one] of begun) begun.set(id, { ...one, clean: false })
    } else if (/^<\.\.\. \w+ resumed>/.test(rest)) {
      const one = begun.get(process)
      begun.delete(process)
      if (one) ends(one.name, one.path, one.clean)
    }
  }
  return { synced, early }
}
