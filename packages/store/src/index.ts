/** The contract of the store and the few helpers that every caller needs. Drivers are subpaths of their own. */
export type { Commit, Guarantees, Op, Part, Rec, Runtime, Store } from './contract.js'
export { OutcomeUnknown, type StoreCommitCode, type StoreOpenCode, type StoreReadCode } from './errors.js'
export { acceptLoss, requireGuarantee } from './guarantee.js'
export { live, newRev } from './live.js'
