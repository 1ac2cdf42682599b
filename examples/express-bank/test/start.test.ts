import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { tellStory } from '../demo/story.js'
import { startWorld } from './support/world.js'

const start = fileURLToPath(new URL('../demo/start.js', import.meta.url))

/** The steps in their order: a reader of `--json` may rely on the names. */
const STEPS = [
  ...['enrol', 'register', 'login', 'accounts', 'plain', 'device-key', 'transfer', 'step-up', 'fallback'],
  ...['rooted', 'outdated', 'old-os', 'lost-reply', 'stolen-refresh', 'brute-force', 'rule', 'history', 'ready'],
]

it('npm start tells its story as JSON lines, every step of it, and ends with 0', { timeout: 300_000 }, async () => {
  const { status, stdout, stderr } = await run(['--once', '--json'])
  expect(status, stderr).toBe(0)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ step }) => step)).toEqual(STEPS)
  for (const { step, ms, commits, text } of lines.slice(0, -1)) {
    expect(ms, step).toBeGreaterThanOrEqual(0)
    expect(Number.isInteger(commits), step).toBe(true)
    expect(text.length, step).toBeGreaterThan(20)
  }
  expect(lines.at(-1).graphs).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/console\/graphs/)
})

it('a step that does not behave ends the story, and says which', async () => {
  const world = await startWorld()
  const folder = mkdtempSync(join(tmpdir(), 'postern-story-'))
  const told: string[] = []
  try {
    // Nobody answers at the address of the account API: the phone is in by then, and its first call is not.
    const story = tellStory({
      issuer: world.issuer,
      api: 'https://accounts.bank.example',
      keyRoots: [],
      folder,
      admin: world.admin,
      commits: () => 0,
      print: ({ step }) => told.push(step),
    })
    await expect(story).rejects.toThrow()
    expect(told).toEqual(['enrol', 'register', 'login'])
  } finally {
    await world.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

it('npm start ends with 1 and the reason when a step does not behave', { timeout: 300_000 }, async () => {
  // A network that loses every call of the login endpoint, in the place of the real one.
  const broken = `const real = fetch
globalThis.fetch = (input, init) => /authorize-challenge$/.test(input.url ?? input) ? Promise.reject(new TypeError('lost')) : real(input, init)`
  const { status, stdout, stderr } = await run(
    ['--once', '--json'],
    ['--import', `data:text/javascript,${encodeURIComponent(broken)}`],
  )
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).step),
  ).toEqual(['enrol', 'register'])
  expect(stderr).toContain('net.unreachable')
  expect(status).toBe(1)
})

function run(args: string[], nodeArgs: string[] = []): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...nodeArgs, start, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk
  })
  return new Promise((resolve) => child.on('close', (status) => resolve({ status: status ?? -1, ...said })))
}
