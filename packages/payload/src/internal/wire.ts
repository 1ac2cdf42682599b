/** Names that both ends use. */
/** RFC 9540. */
export const WELL_KNOWN = '/.well-known/ohttp-gateway'
/** In the vendor tree; unregistered. */
export const KEY_DOCUMENT_TYPE = 'application/vnd.postern.keys+jwt'
/** Field by which a session opens: the offer in a request, the grant in its reply. */
export const SESSION_FIELD = 'payload-session'
/** Field of an inner reply that the gateway made itself; handlers cannot send it. */
export const VERDICT_FIELD = 'payload-error'
/** Field of an inner reply that names the newest key document. */
export const KEYS_FIELD = 'payload-keys'
/** RFC 9457. */
export const PROBLEM_TYPE = 'application/problem+json'
/** Registered by RFC 9458 §5.3. */
export const OHTTP_KEY_PROBLEM = 'https://iana.org/assignments/http-problem-types#ohttp-key'
