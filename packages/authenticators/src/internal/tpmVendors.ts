/** TPM makers of TCG's Vendor ID Registry 1.07, as the alternative name of an attestation certificate gives them: `id:` and four bytes in hexadecimal. */
import { hex, utf8 } from '@postern/core/bytes'

/** Four characters each, filled up with NUL or a space. */
const NAMES =
  'AMD\0ANT\0ATMLBRCMCSCOFLYSROCCGOOGHPI\0HPE\0HISIIBM\0IFX\0INTCLEN\0MSFTNSM NTZ\0NSG\0NTC\0QCOMSECESMSNSNS\0SMSCSTM TXN\0WEC\0SEAL'

export const tpmVendors: ReadonlySet<string> = /* @__PURE__ */ new Set(
  NAMES.match(/.{4}/gs)?.map((name) => `id:${hex(utf8(name)).toUpperCase()}`),
)
