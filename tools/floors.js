// @ts-check
// The house of ARCHITECTURE: a package imports from floors below it, never sideways or upward but where listed.
import { importsOf, packages, sources } from './tree.js'

/** What each package may import. The binding table; an edge that is not here is refused. */
const may = {
  core: [],
  store: ['core'],
  tokens: ['core', 'store'],
  authenticators: ['core', 'store'],
  attestation: ['core'],
  policy: ['core'],
  payload: ['core', 'store'],
  anomaly: ['core'],
  insight: ['core', 'store', 'anomaly'],
  platform: ['core', 'store', 'tokens', 'authenticators', 'attestation', 'policy', 'payload', 'anomaly', 'insight'],
  client: ['core', 'authenticators', 'attestation', 'payload', 'policy'],
  console: [],
  cli: [
    'core',
    'store',
    'tokens',
    'authenticators',
    'attestation',
    'policy',
    'payload',
    'anomaly',
    'insight',
    'platform',
    'console',
  ],
  testkit: ['core', 'store'],
}

/** The client halves: the only parts of those packages that a phone may carry. */
const clientHalves = [
  /^@postern\/core\//,
  /^@postern\/authenticators\/(pin|deviceKey)\/(client|messages)$/,
  /^@postern\/authenticators\/webauthn\/(browser|messages)$/,
  /^@postern\/authenticators\/transaction\/(client|encoding|evidence|qr)$/,
  /^@postern\/attestation\/(binding|evidence)$/,
  /^@postern\/payload\/(client|keys|ohttp|bhttp|hpke)$/,
  /^@postern\/policy\/pin\/(policy|blocklist)$/,
]

/** @returns {string[]} one line a breach */
export function floors() {
  const breaches = []
  for (const name of packages()) {
    const allowed = /** @type {Record<string, string[]>} */ (may)[name]
    if (!allowed) {
      breaches.push(`packages/${name}: has no floor; add it to tools/floors.js and ARCHITECTURE`)
      continue
    }
    for (const file of sources(name))
      for (const specifier of importsOf(file)) {
        const other = /^@postern\/([a-z]+)/.exec(specifier)?.[1]
        if (other && other !== name && !allowed.includes(other)) breaches.push(`${file}: ${name} may not import ${specifier}`)
        if (/\/internal\//.test(specifier) && other) breaches.push(`${file}: ${specifier} is private to its package`)
        if (name === 'client' && other && other !== name && !clientHalves.some((half) => half.test(specifier)))
          breaches.push(`${file}: a client carries client halves alone, not ${specifier}`)
      }
  }
  return breaches
}
