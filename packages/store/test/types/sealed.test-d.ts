/** What must not compile does not. Checked by tsc alone. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { KeyRing } from '@postern/core/keyRing'
import type { Store } from '@postern/store'
import { acceptPlaintext, dataKeys, sealed } from '@postern/store/sealed'

declare const store: Store
declare const ring: KeyRing
declare const crypto: CryptoPort
const ports = { crypto, random: (n: number): Uint8Array => new Uint8Array(n) }

export const overRing: Store = sealed(store, ring.long, ports)
export const ofTenants: Store = sealed(store, async (tenant) => (tenant === 'bank' ? ring.long : null), ports)
export const migrating: Store = sealed(store, ring.long, { ...ports, [acceptPlaintext]: true })

// @ts-expect-error without a key nothing can be sealed
dataKeys([])
// @ts-expect-error randomness is handed in
sealed(store, ring.long, { crypto })
// @ts-expect-error the door to plain values does not open by a name
sealed(store, ring.long, { ...ports, acceptPlaintext: true })
