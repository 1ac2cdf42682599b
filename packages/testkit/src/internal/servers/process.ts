/// <reference types="node" />
/** A server as a child process: a folder of its own, its output in a file, ended by its id even when the tests die. */
import { spawn } from 'node:child_process'
import { chownSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Daemon {
  readonly folder: string
  readonly pid: number | undefined
  /** Runs the server and waits until it is ready. @throws Error with the end of its output when it does not become so */
  launch(command: string, args: readonly string[], ready: () => Promise<boolean>): Promise<void>
  /** SIGKILL of the server and every child; when it returns, all of them are gone. */
  kill(): Promise<void>
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
}

/**
 * Waits until its stdin closes, by `stop` or by the death of the tests, however they died; then ends the server and removes the folder.
 * $1: the folder, with the server's id in `pid` while it runs · $2: the signal that ends it quickly.
 */
const GUARDIAN = `
cat > /dev/null
if read -r pid < "$1/pid"; then
  kill -CONT "$pid"; kill -"$2" "$pid"
  tries=0
  while kill -0 "$pid" && [ "$tries" -lt 80 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -KILL "$pid"
fi 2> /dev/null
rm -rf "$1"
`

const READY_MS = 30_000

/** @param endBy - the signal for a quick end without leftovers */
export function daemon(name: string, endBy: 'QUIT' | 'KILL', owner?: Owner): Daemon {
  const folder = mkdtempSync(join(tmpdir(), `postern-${name}-`))
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const guardian = spawn('sh', ['-c', GUARDIAN, 'guardian', folder, endBy], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guardian.unref()
  ;(guardian.stdin as typeof guardian.stdin & { unref(): void }).unref()
  const pidFile = join(folder, 'pid')
  const log = join(folder, 'log')
  let pid: number | undefined

  return {
    folder,
    get pid() {
      return pid
    },

    async launch(command, args, ready) {
      const output = openSync(log, 'a')
      const child = spawn(command, args, { stdio: ['ignore', output, output], detached: true, cwd: folder, ...owner })
      closeSync(output)
      child.unref()
      let ended: unknown
      child.on('error', (error) => {
        ended = error
      })
      child.on('exit', (code, signal) => {
        ended = code ?? signal
        if (pid === child.pid) pid = undefined
      })
      pid = child.pid
      if (pid !== undefined) writeFileSync(pidFile, `${pid}\n`)
      const end = performance.now() + READY_MS
      while (!(await ready())) {
        if (ended === undefined && performance.now() < end) await sleep(20)
        else throw new Error(`${name} did not start (${String(ended ?? 'too slow')}): ${readFileSync(log, 'utf8').slice(-1500)}`)
      }
    },

    async kill() {
      if (pid === undefined) return
      // Looked for first: that takes long on a busy machine, and a link must not deliver on while the server dies.
      const family = [pid, ...childrenOf(pid)]
      for (const one of family) signal(one)
      rmSync(pidFile)
      while (family.some(alive)) await sleep(5)
      pid = undefined
    },

    stop: () =>
      new Promise((resolve) => {
        if (guardian.exitCode !== null || guardian.signalCode !== null) return resolve()
        // Whoever waits for the end is not over before it.
        guardian.ref()
        guardian.on('exit', () => resolve())
        guardian.stdin.end()
      }),
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

/** A process that has ended and was not waited for yet counts as gone. */
function alive(pid: number): boolean {
  const { state } = statOf(pid)
  return state !== '' && state !== 'Z' && state !== 'X'
}

/** The processes that a process has started. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    // Not every kernel keeps that list.
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && statOf(Number(name)).parent === pid)
      .map(Number)
  }
}

function statOf(pid: number): { readonly state: string; readonly parent: number } {
  try {
    // The name of the program, in brackets, may hold spaces.
    const [state = '', parent = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return { state: '', parent: 0 }
  }
}
