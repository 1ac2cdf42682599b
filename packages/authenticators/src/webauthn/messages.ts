/** The JSON of WebAuthn as browsers read and write it; both halves import it. Bytes are base64url without padding. @see WebAuthn Level 3 §5.1.8 to §5.1.10 */

/** Names a credential in a list. */
export interface CredentialDescriptorJSON {
  readonly type: 'public-key'
  readonly id: string
  readonly transports?: readonly string[]
}

export type UserVerification = 'required' | 'preferred' | 'discouraged'
/** What the user reaches for first; browsers show their dialogs accordingly. */
export type Hint = 'security-key' | 'client-device' | 'hybrid'
export type AttestationConveyance = 'none' | 'indirect' | 'direct' | 'enterprise'

/** Server → browser: what to make a credential from (`PublicKeyCredentialCreationOptionsJSON`). */
export interface CreationOptionsJSON {
  readonly rp: { readonly id: string; readonly name: string }
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string }
  readonly challenge: string
  readonly pubKeyCredParams: readonly { readonly type: 'public-key'; readonly alg: number }[]
  /** ms */
  readonly timeout: number
  readonly excludeCredentials: readonly CredentialDescriptorJSON[]
  readonly authenticatorSelection: {
    readonly authenticatorAttachment?: 'platform' | 'cross-platform'
    readonly residentKey: 'discouraged' | 'preferred' | 'required'
    readonly requireResidentKey: boolean
    readonly userVerification: UserVerification
  }
  readonly hints: readonly Hint[]
  readonly attestation: AttestationConveyance
  readonly attestationFormats: readonly string[]
  readonly extensions: { readonly credProps: true }
}

/** Server → browser: what to sign in with (`PublicKeyCredentialRequestOptionsJSON`). An empty list asks for a discoverable credential. */
export interface RequestOptionsJSON {
  readonly challenge: string
  /** ms */
  readonly timeout: number
  readonly rpId: string
  readonly allowCredentials: readonly CredentialDescriptorJSON[]
  readonly userVerification: UserVerification
  readonly hints: readonly Hint[]
}

/** Browser → server: a credential that was made. What it says beside the attestation object and the client data is not signed, and only transports are read. */
export interface RegistrationResponseJSON {
  readonly id: string
  readonly rawId: string
  readonly type: 'public-key'
  readonly response: {
    readonly clientDataJSON: string
    readonly attestationObject: string
    readonly transports?: readonly string[]
    readonly authenticatorData?: string
    readonly publicKey?: string
    readonly publicKeyAlgorithm?: number
  }
  readonly authenticatorAttachment?: string | null
  readonly clientExtensionResults?: { readonly credProps?: { readonly rk?: boolean } }
}

/** Browser → server: an assertion. */
export interface AuthenticationResponseJSON {
  readonly id: string
  readonly rawId: string
  readonly type: 'public-key'
  readonly response: {
    readonly clientDataJSON: string
    readonly authenticatorData: string
    readonly signature: string
    readonly userHandle?: string | null
  }
  readonly authenticatorAttachment?: string | null
  readonly clientExtensionResults?: object
}
