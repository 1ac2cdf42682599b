import { createCrypto as noble } from '@postern/core/crypto/noble'
import { createCrypto as node } from '@postern/core/crypto/node'
import { createCrypto as web } from '@postern/core/crypto/web'
import type { CryptoPort } from '@postern/core/cryptoPort'

/** The three implementations that must agree bit for bit. */
export const backends: readonly CryptoPort[] = [node(), web(), noble()]
