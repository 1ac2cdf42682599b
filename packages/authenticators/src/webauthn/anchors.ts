/**
 * Authorities of platforms, as of November 2026: keys under their names, for `AttestationTrust.anchors`. A host that knows newer ones passes its own.
 * Those of security keys and TPMs come from the metadata.
 */
import { decodeBase64url } from '@postern/core/base64url'
import type { TrustAnchor } from '@postern/core/x509'

/** Apple WebAuthn Root CA, to 2045. */
export const appleAnchors: readonly TrustAnchor[] = /* @__PURE__ */ anchors([
  'MEsxHzAdBgNVBAMMFkFwcGxlIFdlYkF1dGhuIFJvb3QgQ0ExEzARBgNVBAoMCkFwcGxlIEluYy4xEzARBgNVBAgMCkNhbGlmb3JuaWE',
  'MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEIkJDalNWHOOXhajoiEe0xIDM7Zy_4f0NAp6_f_98bn0bXWTG714jT_ujpXm5KEGl7W7qXqZLX1LUUSHrIaWOdkAn7YY0_WaL9graRJci5MePED-lyhF_teQ607ijWqVx',
])

/** Google's roots of hardware attestation: the RSA key of 2016 and 2022, to 2042, and Key Attestation CA1, to 2035. */
export const androidAnchors: readonly TrustAnchor[] = /* @__PURE__ */ anchors(
  [
    'MBsxGTAXBgNVBAUTEGY5MjAwOWU4NTNiNmIwNDU',
    'MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAr7bHgiuxpwHsK7Qui8xUFmOr75gvMsd_dTEDDJdSSxtf6An7xyqpRR90PL2abxM1dEqlXnf2tqw1Ne4Xwl5jlRfdnJLmN0pTy_4lj4_7tv0Sk3iiKkypnEUtR6WfMgH0QZfKHM1-di-y9TFRtv6y__0rb-T-W8a9nsNL_ggjnar86461qO0rOs2cXjp3kOG1FEJ5MVmFmBGtnrKpa73XpXyTqRxB_M0n1n_W9nGqC4FSYa04T6N5RIZGBN2z2MT5IKGbFlbC8UrW0DxW7AYImQQcHtGl_m00QLVWutHQoVJYnFPlXTcHYvASLu-RhhsbDmxMgJJ0mcDpvsC4PjvB-TxywElgS70vE0XmLD-OJtvsBslHZvPBKCOdT0MS-tgSOIfga-z1Z1g7-DVagf7quvmag8jfPioyKvxnK_EgsTUVi2ghzq8wm27ud_mIM7AY2qEORR8Go3TVB4HzWQgpZrt3i5MIlCaY504LzSRiigHCzAPlHws-W0rB5N-er5_2pJKnfBSDiCiFAVtCLOZ7gLiMm0jhO2B6tUXHI_-MRPjy02i59lINMRRev56GKtcd9qO_0kUJWdZTdA2XoS82ixPvZtXQpUpuL12ab-9EaDK8Z4RHJYYfCT3Q5vNAXaiWQ-8PTWm2QgBR_bkwSWc-NpUFgNPN9PvQi8WEg5UmAGMCAwEAAQ',
  ],
  [
    'MFIxHDAaBgNVBAMME0tleSBBdHRlc3RhdGlvbiBDQTExEDAOBgNVBAsMB0FuZHJvaWQxEzARBgNVBAoMCkdvb2dsZSBMTEMxCzAJBgNVBAYTAlVT',
    'MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEI9ojcU7fPlsFCjxy6IRqzgeOoK0b-YsV9FPQywiyw8EQRTkJ9u3qwfnI4DGoSLlBqClTXJfgfCcZvs60FikNMHnu4fkRzObfgDkU2KNXezT9_RQ-XvNslxPHrHCowhGr',
  ],
)

/** @param pairs - subject and SubjectPublicKeyInfo, base64url of their DER */
function anchors(...pairs: readonly (readonly [string, string])[]): readonly TrustAnchor[] {
  return pairs.map(([subject, spki]) => ({ subject: decodeBase64url(subject)!, spki: decodeBase64url(spki)! }))
}
