/**
 * The registry of error codes: `room.reason` → default status, whether a retry can help, and words for a person.
 * Codes are published: they are added to, never renamed. One section a package, in the order of the floors.
 */

export const errorCodes = {
  // core
  'json.malformed': { status: 400, retryable: false, message: 'The JSON is not well-formed.' },
  'json.too_large': { status: 413, retryable: false, message: 'The JSON is larger than this endpoint takes.' },
  'json.shape': { status: 400, retryable: false, message: 'A member of the JSON is missing, unknown or of the wrong kind.' },
  'form.malformed': { status: 400, retryable: false, message: 'The form is not well-formed.' },
  'form.duplicate': { status: 400, retryable: false, message: 'A parameter was sent more than once.' },
  'form.too_large': { status: 413, retryable: false, message: 'The form is larger than this endpoint takes.' },
  'jws.refused': { status: 400, retryable: false, message: 'The signed object was not accepted.' },
  'crypto.invalid_key': { status: 400, retryable: false, message: 'The key is not usable with this algorithm.' },
  'crypto.unsupported': { status: 500, retryable: false, message: 'This runtime does not offer the algorithm.' },
  'keys.none_active': { status: 503, retryable: true, message: 'No key is active in the key ring; create or rotate one.' },
  'keys.invalid': { status: 500, retryable: false, message: 'The key ring document is not valid.' },
  'runtime.missing': { status: 500, retryable: false, message: 'A runtime port that this call needs was not supplied.' },

  // store
  'store.invalid': { status: 500, retryable: false, message: 'The store call breaks a limit of the contract.' },
  'store.outcome_unknown': { status: 503, retryable: false, message: 'It is not known whether the change was made.' },
  'store.overloaded': { status: 503, retryable: true, message: 'The store is busy; nothing was changed. Try again later.' },
  'store.unavailable': { status: 503, retryable: true, message: 'The store cannot be reached; nothing was changed.' },
  'store.refused_guarantee': { status: 500, retryable: false, message: 'This kind of record refuses a store that may lose acknowledged writes.' },
  'store.guarantee_lost': { status: 503, retryable: false, message: 'The store no longer gives what it promised when it was opened.' },
  'store.corrupt': { status: 500, retryable: false, message: 'A stored value does not open.' },
  'store.schema_unknown': { status: 500, retryable: false, message: 'A stored value is newer than this program.' },
  'store.unsettleable': { status: 500, retryable: false, message: 'Only a commit with a conditional put can be settled.' },
  'store.list_disabled': { status: 500, retryable: false, message: 'This store was opened without an index and cannot list.' },
  'store.closed': { status: 500, retryable: false, message: 'The store is closed.' },

  // tokens

  // authenticators

  // attestation

  // policy

  // payload

  // anomaly

  // insight

  // platform

  // client
} as const

/** Every code that the suite can answer with. */
export type ErrorCode = keyof typeof errorCodes
