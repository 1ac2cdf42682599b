// @ts-check
// The one suite: plain functions over the built packages, for every runtime. No test runner, no Node; a case throws or it passed.
import { cases as core } from './cases/core.js'
import { cases as store } from './cases/store.js'

/** @type {readonly (readonly [string, () => void | Promise<void>])[]} */
export const suite = [...core, ...store]

/**
 * Runs all cases one after the other.
 * @returns {Promise<{ passed: number, failures: { name: string, error: string }[] }>}
 */
export async function runSuite() {
  const failures = []
  let passed = 0
  for (const [name, run] of suite) {
    try {
      await run()
      passed++
    } catch (error) {
      failures.push({ name, error: error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error) })
    }
  }
  return { passed, failures }
}
