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
  'request.malformed': { status: 400, retryable: false, message: 'The request is not well-formed.' },
  'request.duplicate': { status: 400, retryable: false, message: 'A parameter was sent more than once.' },
  'request.too_large': { status: 413, retryable: false, message: 'The request is larger than this endpoint takes.' },
  'request.method': { status: 405, retryable: false, message: 'This endpoint does not take the method.' },
  'request.unsupported': { status: 400, retryable: false, message: 'The response type or mode is not supported.' },
  'client.unknown': { status: 401, retryable: false, message: 'Client authentication failed.' },
  'client.credentials': { status: 401, retryable: false, message: 'Client authentication failed.' },
  'client.assertion': { status: 401, retryable: false, message: 'Client authentication failed.' },
  'client.replayed': { status: 401, retryable: false, message: 'Client authentication failed.' },
  'grant.invalid': { status: 400, retryable: false, message: 'The grant is not valid.' },
  'grant.not_allowed': { status: 400, retryable: false, message: 'The client may not use this grant type.' },
  'grant.unknown': { status: 400, retryable: false, message: 'The grant type is not supported.' },
  'scope.refused': { status: 400, retryable: false, message: 'The scope is unknown, not allowed or wider than granted.' },
  'target.refused': { status: 400, retryable: false, message: 'The resource is unknown or not allowed for this client.' },
  'redirect.refused': { status: 400, retryable: false, message: 'The redirect_uri is not registered for this client.' },
  'metadata.refused': { status: 400, retryable: false, message: 'The client metadata is not acceptable.' },
  'par.invalid': { status: 400, retryable: false, message: 'The request_uri is unknown, used or expired.' },
  'dpop.proof': { status: 400, retryable: false, message: 'The DPoP proof was not accepted.' },
  'dpop.nonce': { status: 400, retryable: true, message: 'Repeat with the nonce of the DPoP-Nonce header.' },
  'dpop.full': { status: 503, retryable: true, message: 'Too many proofs are remembered at once; try again later.' },
  'token.missing': { status: 401, retryable: false, message: 'An access token is needed.' },
  'token.invalid': { status: 401, retryable: false, message: 'The access token was not accepted.' },
  'token.scope': { status: 403, retryable: false, message: 'The access token lacks a scope that is needed here.' },
  'token.stepup': { status: 401, retryable: false, message: 'A stronger or more recent authentication is needed here.' },
  'tokens.config': { status: 500, retryable: false, message: 'The issuer configuration is not valid.' },
  'tokens.denied': { status: 403, retryable: false, message: 'The request was refused.' },

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
