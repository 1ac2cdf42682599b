// @ts-check
// The one suite: plain functions over the built packages, for every runtime. No test runner, no Node; a case throws or it passed.
import { cases as authenticators } from './cases/authenticators.js'
import { cases as core } from './cases/core.js'
import { cases as grants } from './cases/grants.js'
import { cases as http } from './cases/http.js'
import { cases as insight } from './cases/insight.js'
import { cases as payload } from './cases/payload.js'
import { cases as payloadSessions } from './cases/payloadSessions.js'
import { cases as payloadStreams } from './cases/payloadStreams.js'
import { cases as platform } from './cases/platform.js'
import { cases as policy } from './cases/policy.js'
import { cases as servers } from './cases/servers.js'
import { cases as sqlite } from './cases/sqlite.js'
import { cases as store } from './cases/store.js'
import { cases as tokens } from './cases/tokens.js'
import { cases as webauthn } from './cases/webauthn.js'

/** @typedef {'node20' | 'node22' | 'node24' | 'deno' | 'bun' | 'workerd' | 'chromium' | 'reactNative'} Runtime */
/** `only`: the runtimes that promise it; absent, all do. @typedef {readonly [name: string, run: (runtime: Runtime) => unknown, o?: { only?: readonly Runtime[] }]} Case */
/** @typedef {{ passed: number, notPromised: number, failures: { name: string, error: string }[] }} Result */

/** @type {readonly Case[]} */
export const suite = [
  ...core,
  ...store,
  ...sqlite,
  ...servers,
  ...tokens,
  ...grants,
  ...authenticators,
  ...webauthn,
  ...policy,
  ...payload,
  ...payloadSessions,
  ...payloadStreams,
  ...insight,
  ...platform,
  ...http,
]

/**
 * Runs what a runtime promises, one case after the other, and counts the rest.
 * @param {Runtime} runtime
 * @returns {Promise<Result>}
 */
export async function runSuite(runtime) {
  const failures = []
  let passed = 0
  let notPromised = 0
  for (const [name, run, { only } = {}] of suite) {
    if (only && !only.includes(runtime)) {
      notPromised++
      continue
    }
    try {
      await run(runtime)
      passed++
    } catch (error) {
      failures.push({ name, error: error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error) })
    }
  }
  return { passed, notPromised, failures }
}
