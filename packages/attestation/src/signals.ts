import type { EvidenceVerifier } from './evidence.js'

/** The verifier of `signals`: `{ format, v: 1, at, source, signals: { name: boolean | "unknown" } }`, self-reported. */
export declare function signals(): EvidenceVerifier
