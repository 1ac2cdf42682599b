// @ts-check
// How a package's `exports` and its files under src/ correspond: `./dpop` is src/dpop.ts, `.` is src/index.ts or the front door named in `main`.

/**
 * The source files that a package publishes, relative to src/.
 * @param {{ exports?: Record<string, unknown> }} pkg
 * @returns {string[]}
 */
export function sourceFiles(pkg) {
  const files = new Set()
  for (const target of Object.values(pkg.exports ?? {}))
    for (const path of targets(target)) {
      const match = /^\.\/dist\/(.+)\.js$/.exec(path)
      if (match) files.add(`${match[1]}.ts`)
    }
  return [...files].sort()
}

/** @param {unknown} target @returns {string[]} */
export function targets(target) {
  if (typeof target === 'string') return [target]
  return Object.values(/** @type {Record<string, unknown>} */ (target ?? {})).flatMap(targets)
}
