/** The structures that a TPM signs, as far as WebAuthn has them. @see Trusted Platform Module Library, Part 2: Structures, rev. 1.59 */
import { decodeBase64url } from '@postern/core/base64url'
import { concat, equal, u32 } from '@postern/core/bytes'
import type { CoseKey } from '@postern/core/cose'
import { byteReader } from '../reader.js'

/** What is read of a TPMT_PUBLIC. */
export interface TpmPublic {
  /** TPMI_ALG_HASH of the object's name. */
  readonly nameAlg: number
  /** Whether it is this public key. */
  isFor(key: CoseKey): boolean
}

/** What is read of a TPMS_ATTEST that certifies an object. */
export interface TpmAttest {
  readonly extraData: Uint8Array
  /** nameAlg ‖ digest of the object's public area. */
  readonly name: Uint8Array
}

const RSA = 0x0001
const NULL = 0x0010
const ECC = 0x0023
const GENERATED = 0xff544347
const CERTIFY = 0x8017
const CURVES: Readonly<Record<number, string>> = { 3: 'P-256', 4: 'P-384', 5: 'P-521' }
const F4 = 65_537

/** TPMT_PUBLIC of an RSA or ECC key (§12.2.4). @throws RangeError for anything else, or bytes left over */
export function readPublic(bytes: Uint8Array): TpmPublic {
  const r = byteReader(bytes)
  const type = r.unsigned(2)
  const nameAlg = r.unsigned(2)
  r.take(4) // objectAttributes
  r.lp() //    authPolicy
  // A key that only signs has no symmetric scheme.
  if ((type !== RSA && type !== ECC) || r.unsigned(2) !== NULL) throw new RangeError('type')
  if (r.unsigned(2) !== NULL) r.take(2) // the scheme's hash
  const isFor = type === RSA ? rsa() : ecc()
  r.end()
  return { nameAlg, isFor }

  function rsa(): TpmPublic['isFor'] {
    r.take(2) // keyBits, which the modulus says again
    const exponent = r.unsigned(4) || F4
    const n = r.lp()
    const e = u32(exponent)
    const digits = e.subarray(e.findIndex((byte) => byte !== 0))
    return ({ jwk }) => jwk.kty === 'RSA' && same(jwk.n, n) && same(jwk.e, digits)
  }

  function ecc(): TpmPublic['isFor'] {
    const crv = CURVES[r.unsigned(2)]
    if (r.unsigned(2) !== NULL) r.take(2) // kdf
    const [x, y] = [r.lp(), r.lp()]
    return ({ jwk }) => crv !== undefined && jwk.kty === 'EC' && jwk.crv === crv && same(jwk.x, x) && same(jwk.y, y)
  }
}

/** Coordinates may come without their leading zeros. */
function same(text: string | undefined, bytes: Uint8Array): boolean {
  const own = decodeBase64url(text ?? '')
  return own !== null && bytes.length <= own.length && equal(own, concat(new Uint8Array(own.length - bytes.length), bytes))
}

/** TPMS_ATTEST of type TPM_ST_ATTEST_CERTIFY (§10.12.12). @throws RangeError for anything else, or bytes left over */
export function readCertify(bytes: Uint8Array): TpmAttest {
  const r = byteReader(bytes)
  if (r.unsigned(4) !== GENERATED || r.unsigned(2) !== CERTIFY) throw new RangeError('magic')
  r.lp() //    qualifiedSigner
  const extraData = r.lp()
  r.take(25) // clockInfo, firmwareVersion
  const name = r.lp()
  r.lp() //    qualifiedName
  r.end()
  return { extraData, name }
}
