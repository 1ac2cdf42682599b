/** Names that both ends use. */
/** RFC 9540. */
export const WELL_KNOWN = '/.well-known/ohttp-gateway'
/** In the vendor tree; unregistered. */
export const KEY_DOCUMENT_TYPE = 'application/vnd.postern.keys+jwt'
