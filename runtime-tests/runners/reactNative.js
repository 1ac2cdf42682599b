// @ts-check
// A stand-in for React Native, under Node with `--conditions=react-native`: no WebCrypto, no `process`; random bytes as a
// polyfill gives them. `Buffer` stays, for Node's own Request and Response ask for it.
const { exit } = process
const { crypto } = globalThis
const polyfill = { getRandomValues: (/** @type {Uint8Array<ArrayBuffer>} */ into) => crypto.getRandomValues(into) }
for (const [name, value] of Object.entries({ crypto: polyfill, process: undefined }))
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })

const { runSuite } = await import('../suite.js')
const result = await runSuite('reactNative')
console.log(JSON.stringify(result))
exit(result.failures.length > 0 ? 1 : 0)
