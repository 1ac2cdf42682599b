// @ts-check
// One vitest preset for every package. Tests import the suite's packages by their public names and meet the sources, not a build.
import { fileURLToPath } from 'node:url'
import { defineProject } from 'vitest/config'

const packages = fileURLToPath(new URL('../packages/', import.meta.url))

/** `@postern/<name>/<path>` is packages/<name>/src/<path>.ts; the front doors and the conditional export are listed. */
export const alias = [
  { find: /^@postern\/core\/crypto$/, replacement: `${packages}core/src/crypto/node.ts` },
  { find: /^@postern\/store$/, replacement: `${packages}store/src/index.ts` },
  { find: /^@postern\/tokens$/, replacement: `${packages}tokens/src/authorizationServer.ts` },
  { find: /^@postern\/(platform|client|console)$/, replacement: `${packages}$1/src/$1.ts` },
  { find: /^@postern\/([a-z]+)\/(.+)$/, replacement: `${packages}$1/src/$2.ts` },
]

/** @param {string} name - the package's short name */
export function project(name) {
  return defineProject({
    resolve: { alias },
    test: {
      name,
      include: ['test/**/*.test.ts'],
      environment: 'node',
      // What hangs is found; what is slow for want of a core is not taken for it.
      testTimeout: 120_000,
      hookTimeout: 120_000,
      expect: { poll: { timeout: 20_000 } },
    },
  })
}
