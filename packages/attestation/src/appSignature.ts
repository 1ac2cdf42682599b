import type { EvidenceVerifier } from './evidence.js'

/** The verifier of `app-signature`: `{ format, certificates: [SHA-256 hex] }` or `{ format, team, bundle }`, self-reported. */
export declare function appSignature(): EvidenceVerifier
/** One SHA-256 certificate digest in canonical form (64 lower-case hex digits), or `null`. */
export declare function certificateDigest(text: string): string | null
