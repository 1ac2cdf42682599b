/// <reference types="node" />
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const check = fileURLToPath(new URL('../check.js', import.meta.url))
const trees: string[] = []
afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true })
})

/** Runs one check over a tree of these files. */
function judge(name: string, files: Readonly<Record<string, string>>) {
  const tree = mkdtempSync(join(tmpdir(), 'postern-tree-'))
  trees.push(tree)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), text)
  }
  const { status, stdout } = spawnSync(process.execPath, [check, name], {
    encoding: 'utf8',
    env: { ...process.env, POSTERN_TREE: `${tree}/` },
  })
  return { refused: status !== 0, stdout }
}

const manifest = (name: string, subpaths: readonly string[]) =>
  JSON.stringify({
    name: `@postern/${name}`,
    exports: Object.fromEntries(
      subpaths.map((path) => [`./${path}`, { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` }]),
    ),
  })

/** One file each, so that one run of the check judges them all. */
const planted = (name: string, texts: readonly string[]) =>
  Object.fromEntries(texts.map((text, i) => [`packages/${name}/src/f${i}.ts`, text]))

describe('floors', () => {
  it('refuses each import upward, sideways, into a private file or into the server half of a client', () => {
    const { stdout } = judge('floors', {
      'packages/policy/package.json': manifest('policy', []),
      ...planted('policy', ["import { x } from '@postern/store'", "import type { X } from '@postern/tokens/dpop'"]),
      'packages/core/package.json': manifest('core', []),
      ...planted('core', ["export { x } from '@postern/policy/compile'"]),
      'packages/client/package.json': manifest('client', []),
      ...planted('client', ["import { x } from '@postern/authenticators/pin/server'"]),
      'packages/store/package.json': manifest('store', []),
      ...planted('store', ["const x = await import('@postern/tokens/dpop')", "import { x } from '@postern/core/bytes'"]),
      'packages/tokens/package.json': manifest('tokens', []),
      ...planted('tokens', ["import { x } from '@postern/store/internal/judge'"]),
    })
    const refused = [...stdout.matchAll(/packages\/\w+\/src\/f\d/g)].map(([file]) => file)
    expect(refused.sort()).toEqual(
      ['client/src/f0', 'core/src/f0', 'policy/src/f0', 'policy/src/f1', 'store/src/f0', 'tokens/src/f0'].map(
        (file) => `packages/${file}`,
      ),
    )
  })
})

describe('publicFiles', () => {
  it('refuses a public file that is no export, and the reverse', () => {
    const both = judge('publicFiles', {
      'packages/core/package.json': manifest('core', ['bytes']),
      'packages/core/src/json.ts': '',
    })
    expect(both.stdout).toContain('src/json.ts: public, but not in exports')
    expect(both.stdout).toContain('exports bytes.ts, which is not there')
  })

  it('lets a private file stay private', () => {
    expect(
      judge('publicFiles', {
        'packages/core/package.json': manifest('core', ['a']),
        'packages/core/src/a.ts': '',
        'packages/core/src/internal/b.ts': '',
      }).refused,
    ).toBe(false)
  })
})

describe('ambient', () => {
  const ports = [
    'export const f = (fetch: (x: string) => unknown): unknown => fetch("x")',
    'export const at: Date = new Date(0)',
    'export const f = ({ fetch }: { fetch: () => unknown }): unknown => fetch()',
  ]
  const reaches = [
    'Date.now()',
    'Math.random()',
    "process.env['X']",
    'fetch("https://x.example")',
    'new Date()',
    'setTimeout(() => {}, 1)',
    'globalThis.fetch',
    'crypto.getRandomValues(new Uint8Array(1))',
  ]

  it('refuses clock, randomness, environment, network and timers in a package, and lets ports and adapters pass', () => {
    const { stdout } = judge('ambient', {
      'packages/core/package.json': manifest('core', []),
      ...planted('core', [...reaches.map((reach) => `export const x: unknown = ${reach}`), ...ports]),
      'packages/core/src/systemRuntime.ts': 'export const x: number = Date.now()',
      'packages/anomaly/package.json': manifest('anomaly', []),
      ...planted('anomaly', ['export const x: number = Math.log(2)']),
    })
    const refused = [...stdout.matchAll(/packages\/\w+\/src\/\w+/g)].map(([file]) => file)
    expect(refused).toEqual(['packages/anomaly/src/f0', ...reaches.map((_, i) => `packages/core/src/f${i}`)])
  })
})

describe('readmes', () => {
  it('refuses an example that does not compile, one that does not run and one that shows nothing', () => {
    const { stdout } = judge('readmes', {
      'packages/a/package.json': manifest('a', []),
      'packages/a/README.md': '```ts\nconst x: number = "one"\nconsole.log(x)\n```\n',
      'packages/b/package.json': manifest('b', []),
      'packages/b/README.md': '```ts\nthrow new Error("broken")\n```\n',
      'packages/c/package.json': manifest('c', []),
      'packages/c/README.md': '```ts\nexport {}\n```\n',
      'packages/d/package.json': manifest('d', []),
      'packages/d/README.md': 'Nothing to run.',
    })
    expect(stdout).toMatch(/packages\/a.*not assignable/)
    expect(stdout).toMatch(/packages\/b.*broken/)
    expect(stdout).toMatch(/packages\/c.*prints nothing/)
    expect(stdout).toMatch(/packages\/d.*no example/)
  })
})
