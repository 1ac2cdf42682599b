/// <reference types="node" />
/** The account API in a process of its own, over the built packages, under one runtime or the other. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('../../', import.meta.url))
const deno = ['deno', join(here, '../../runtime-tests/node_modules/.bin/deno')].find(
  (path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0,
)

export type RuntimeName = 'Deno' | 'Node'

const commands: Record<RuntimeName, readonly [string, readonly string[]] | null> = {
  Deno: deno === undefined ? null : [deno, ['run', '-A', '--node-modules-dir=manual']],
  Node: [process.execPath, []],
}

/** Whether to skip: not where everything is required. */
export const absent = (name: RuntimeName): boolean => commands[name] === null && process.env['POSTERN_REQUIRE'] !== 'all'

/** @returns how to end it */
export async function serveAccounts(name: RuntimeName, settings: object, folder: string): Promise<() => Promise<void>> {
  const found = commands[name]
  if (found === null) throw new Error(`${name} is required and not at hand.`)
  const [command, args] = found
  const file = join(folder, `accounts-${name}.json`)
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
  const child = spawn(command, [...args, 'main.js', file], { cwd: here, stdio: ['ignore', 'pipe', 'pipe'] })
  const gone = once(child, 'exit')
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => String(chunk).includes('ready ') && resolve())
    gone.then(() => reject(new Error(`The account API did not start; are the packages built? ${said}`)))
  })
  rmSync(file)
  return async () => {
    child.kill()
    await gone
  }
}
