/// <reference types="node" />
/** Scripts of child processes: TypeScript beside the tests, one JavaScript file at run time, over the sources and not a build. */
import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

export interface Bundle {
  /** The file that Node runs. */
  readonly script: string
  /** Where it lies, for what a test keeps beside it; removed with it. */
  readonly folder: string
  remove(): void
}

/** @param source - the script's own `import.meta.url`-relative URL */
export async function bundle(source: URL): Promise<Bundle> {
  const entry = fileURLToPath(source)
  const name = basename(entry, '.ts')
  // Inside node_modules, where the script still finds the clients of the databases.
  const folder = fileURLToPath(new URL(`../../../node_modules/.cache/postern-children/${name}-${process.pid}`, import.meta.url))
  mkdirSync(folder, { recursive: true })
  await build({
    entry: [entry],
    outDir: folder,
    format: 'esm',
    tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
    noExternal: [/^@postern\//],
    external: ['libsql', 'pg', 'ioredis', 'redis'],
    config: false,
    silent: true,
    platform: 'node',
    target: 'node20',
  })
  return { folder, script: join(folder, `${name}.js`), remove: () => rmSync(folder, { recursive: true, force: true }) }
}
