/// <reference types="node" />
/** The bank as a process of its own, over the built packages: started on a folder, killed without warning, started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { API } from './world.js'

const script = fileURLToPath(new URL('./serve.js', import.meta.url))

export interface Killable {
  /** SIGKILL, now. Resolves when the process is gone. */
  kill(): Promise<void>
}

export async function startKillable(settings: { origin: string; folder: string; operatorKey: JsonWebKey }): Promise<Killable> {
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify({ api: API, ...settings })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'exit')
  let said = ''
  child.stderr!.on('data', (chunk) => {
    said += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk) => String(chunk).includes('ready') && resolve())
    gone.then(() => reject(new Error(`The bank did not start; are the packages built? ${said}`)))
  })
  return {
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}
