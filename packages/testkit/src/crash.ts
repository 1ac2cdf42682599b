/// <reference types="node" />
/** kill −9, for Node: a child does its work and acknowledges it, line by line or as a store, until it is killed in the middle of it. */
import { spawn } from 'node:child_process'

export { type HostedStore, type HostOptions, hostedStore } from './internal/crash/host.js'
export { serveStore } from './internal/crash/serve.js'

export interface CrashOptions {
  /** The child: a JavaScript file, run by this Node. */
  readonly script: string
  readonly args?: readonly string[]
  /** Kills the child once it has printed so many lines, and `afterMs` more have gone by. */
  readonly afterLines: number
  /** @defaultValue 0 */
  readonly afterMs?: number
}

/**
 * Runs a child until it is killed and gives the whole lines that it had printed: what it acknowledged to the outside.
 * A line that was cut off by the kill is no acknowledgement.
 * @throws Error when the child ends by itself, with what it wrote to stderr
 */
export function killNine({ script, args = [], afterLines, afterMs = 0 }: CrashOptions): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    let lines = 0
    let killed = false
    const kill = (): void => {
      killed = true
      child.kill('SIGKILL')
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      lines += text.split('\n').length - 1
      if (lines >= afterLines && !killed) {
        killed = true
        setTimeout(kill, afterMs)
      }
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL' && killed) resolve(out.split('\n').slice(0, -1))
      else reject(new Error(`the child ended by itself (${code ?? signal}) before it was killed: ${err}`))
    })
  })
}
