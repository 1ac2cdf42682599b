// @ts-check
// A public file is an export and an export is a public file: one path to learn, not three.
import { sourceFiles } from './exports.js'
import { manifest, packages, sources } from './tree.js'

/** @returns {string[]} one line a breach */
export function publicFiles() {
  const breaches = []
  for (const name of packages()) {
    const pkg = manifest(name)
    const published = new Set(sourceFiles(pkg))
    const present = new Set(sources(name).map((file) => file.slice(`packages/${name}/src/`.length)))
    for (const file of present) {
      const hidden = /(^|\/)internal\//.test(file)
      if (!hidden && !published.has(file)) breaches.push(`packages/${name}/src/${file}: public, but not in exports`)
      if (hidden && published.has(file)) breaches.push(`packages/${name}/src/${file}: in src/internal/, but exported`)
    }
    for (const file of published) if (!present.has(file)) breaches.push(`packages/${name}: exports ${file}, which is not there`)
    for (const [subpath, target] of Object.entries(pkg.exports ?? {}))
      if (subpath !== './package.json' && !typesFirst(target))
        breaches.push(`packages/${name}: "${subpath}" must name "types" first in every condition`)
  }
  return breaches
}

/** Whether `types` comes first among what a condition names; conditions may hold conditions. @param {unknown} target @returns {boolean} */
function typesFirst(target) {
  const entries = Object.entries(/** @type {Record<string, unknown>} */ (target))
  const plain = entries.filter(([, value]) => typeof value === 'string')
  return plain[0]?.[0] === 'types' && entries.every(([, value]) => typeof value === 'string' || typesFirst(value))
}
