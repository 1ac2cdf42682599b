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
  'store.refused_guarantee': {
    status: 500,
    retryable: false,
    message: 'This kind of record refuses a store that may lose acknowledged writes.',
  },
  'store.guarantee_lost': {
    status: 503,
    retryable: false,
    message: 'The store no longer gives what it promised when it was opened.',
  },
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
  'pin.refused': { status: 401, retryable: false, message: 'The PIN was not accepted.' },
  'pin.expired': { status: 401, retryable: false, message: 'This PIN ceremony has expired; begin again.' },
  'pin.suite_unsupported': { status: 400, retryable: false, message: 'The PIN suite is not supported here.' },
  'pin.ticket_used': { status: 409, retryable: false, message: 'This step was already taken; begin again.' },
  'pin.wrong': { status: 401, retryable: false, message: 'The PIN is wrong, or the server is not the one it was set up with.' },
  'pin.malformed': { status: 400, retryable: false, message: 'A PIN has 4 to 32 digits.' },
  'pin.protocol': { status: 502, retryable: false, message: "The server's answer does not fit the PIN protocol." },
  'key.refused': { status: 401, retryable: false, message: 'The key was not accepted.' },
  'key.expired': { status: 401, retryable: false, message: 'This key ceremony has expired; begin again.' },
  'authenticator.superseded': { status: 409, retryable: false, message: 'A newer attempt has taken the place of this one.' },
  'authenticator.locked': { status: 403, retryable: false, message: 'This authenticator is locked.' },
  'authenticator.removed': { status: 403, retryable: false, message: 'This authenticator has been removed.' },
  'authenticator.already_enrolled': { status: 409, retryable: false, message: 'This authenticator is enrolled already.' },
  'authenticator.invalid': { status: 500, retryable: false, message: 'The registry cannot take this authenticator.' },
  'enrolment.expired': { status: 409, retryable: false, message: 'The enrolment took too long; begin again.' },
  'device.limit': { status: 403, retryable: false, message: 'The user has as many devices as allowed; remove one first.' },
  'opaque.refused': { status: 400, retryable: false, message: 'The OPAQUE message was not accepted.' },

  // attestation

  // policy

  // payload

  // anomaly
  'anomaly.config_invalid': { status: 500, retryable: false, message: 'The configuration of the risk model is not valid.' },
  'anomaly.state_invalid': { status: 500, retryable: false, message: 'A stored state of the anomaly detector is damaged.' },
  'anomaly.state_version': {
    status: 500,
    retryable: false,
    message: 'A stored state of the anomaly detector is newer than this program.',
  },
  'anomaly.merge_incompatible': {
    status: 500,
    retryable: false,
    message: 'Two states of different size or seed cannot be merged.',
  },

  // insight
  'insight.query_invalid': { status: 400, retryable: false, message: 'The graph query is not valid.' },
  'insight.query_too_large': {
    status: 400,
    retryable: false,
    message: 'The graph query asks for more than 400 days or 5,000 points.',
  },
  'insight.rollup_invalid': { status: 500, retryable: false, message: 'A stored rollup row is damaged.' },
  'insight.conflict': { status: 409, retryable: true, message: 'Another node wrote the same row; nothing was lost. Try again.' },

  // platform
  'request.not_found': { status: 404, retryable: false, message: 'There is nothing at this address.' },
  'request.content_type': { status: 415, retryable: false, message: 'This address does not take that content type.' },
  'challenge.invalid': { status: 400, retryable: false, message: 'The challenge is not valid any more; ask for a new one.' },
  'app.unknown': { status: 403, retryable: false, message: 'This app is not known here.' },
  'app.outdated': { status: 403, retryable: false, message: 'This version of the app is too old; update it.' },
  'app.disabled': { status: 403, retryable: false, message: 'This version of the app has been switched off; update it.' },
  'app.registration_closed': { status: 403, retryable: false, message: 'This app takes no new registrations at present.' },
  'app.integrity': { status: 403, retryable: false, message: 'The app could not be recognised.' },
  'os.outdated': { status: 403, retryable: false, message: 'The operating system is too old; update it.' },
  'device.integrity': { status: 403, retryable: false, message: 'This device does not meet the security requirements.' },
  'device.removed': { status: 403, retryable: false, message: 'This device has been removed; register again.' },
  'device.update_failed': { status: 400, retryable: false, message: 'The registration of this device could not be updated.' },
  'user.blocked': { status: 403, retryable: false, message: 'Access is blocked; contact support.' },
  'risk.high': { status: 403, retryable: false, message: 'This was not allowed for reasons of safety.' },
  'policy.denied': { status: 403, retryable: false, message: 'This is not permitted.' },
  'registration.unknown': { status: 404, retryable: false, message: 'There is no such way to register.' },
  'registration.disabled': { status: 403, retryable: false, message: 'This way to register is switched off.' },
  'registration.rejected': { status: 403, retryable: false, message: 'The registration was not accepted.' },
  'registration.expired': { status: 400, retryable: false, message: 'The registration took too long; start again.' },
  'login.invalid_session': { status: 400, retryable: false, message: 'This login is not open any more; start again.' },
  'profile.unknown': { status: 400, retryable: false, message: 'There is no such profile on this device.' },
  'acr.unreachable': { status: 403, retryable: false, message: 'The demanded level cannot be reached with what is enrolled.' },
  'authenticator.not_enrolled': { status: 400, retryable: false, message: 'This way to log in is not set up.' },
  'authenticator.none_usable': { status: 403, retryable: false, message: 'None of the ways to log in can be used now.' },
  'authenticator.failed': { status: 403, retryable: false, message: 'That was not accepted.' },
  'authenticator.disabled': { status: 403, retryable: false, message: 'This way to log in is switched off.' },
  'login.required': { status: 403, retryable: false, message: 'A fresh login is needed first.' },
  'platform.config': {
    status: 500,
    retryable: false,
    message: 'The platform was assembled with options that do not fit together.',
  },
  'admin.unauthorized': { status: 401, retryable: false, message: 'An operator token is needed.' },
  'admin.forbidden': { status: 403, retryable: false, message: 'The operator token does not allow this.' },
  'admin.precondition_required': {
    status: 428,
    retryable: false,
    message: 'Send If-Match with the ETag that was read, or If-None-Match: * to create.',
  },
  'admin.precondition_failed': {
    status: 412,
    retryable: false,
    message: 'Somebody changed it meanwhile; the current state is in the body.',
  },
  'admin.invalid': { status: 400, retryable: false, message: 'The body or a parameter is not valid.' },
  'admin.not_found': { status: 404, retryable: false, message: 'There is no such resource.' },

  // client
  'net.offline': { status: 0, retryable: true, message: 'There is no connection.' },
  'net.unreachable': { status: 0, retryable: true, message: 'The server cannot be reached.' },
  'net.limited': { status: 0, retryable: true, message: 'The server is busy; try again later.' },
  'storage.unavailable': { status: 0, retryable: true, message: 'The secure storage cannot be read now.' },
  'storage.lost': { status: 0, retryable: false, message: 'The secure storage has lost its keys; enrol again.' },
  'client.busy': { status: 0, retryable: true, message: 'Another operation is running.' },
  'client.cancelled': { status: 0, retryable: true, message: 'The operation was cancelled.' },
  'config.invalid': { status: 0, retryable: false, message: 'The app configuration is not valid.' },
  'profile.removed': { status: 403, retryable: false, message: 'This profile has been removed.' },
  'pin.rejected': { status: 400, retryable: false, message: 'This PIN is not allowed; choose another.' },
  'login.web_required': { status: 403, retryable: false, message: 'This login has to be done in the browser.' },
} as const

/** Every code that the suite can answer with. */
export type ErrorCode = keyof typeof errorCodes
