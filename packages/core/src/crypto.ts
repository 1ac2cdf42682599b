/** The crypto port of a runtime that is neither Node nor React Native: WebCrypto, with noble where it lacks a primitive. */
export { createCrypto } from './crypto/web.js'
