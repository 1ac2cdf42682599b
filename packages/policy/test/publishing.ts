/** A policy to publish versions of, small enough that a gate takes no time. */
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { PolicyDocument } from '@postern/policy/document'
import type { PolicyRepository, PublishContext } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { allow, deny, doc, small } from './small.js'

export const crypto: CryptoPort = createCrypto()
export type SmallContext = PublishContext<(typeof small)['spec']>

export async function version(n: number, parent: string | null, more: Partial<PolicyDocument> = {}): Promise<PolicyDocument> {
  const rules = [
    allow('login', { action: 'login' }),
    allow('small', { amount: { lte: n % 6 } }),
    deny('rooted', { rooted: true }),
  ]
  return doc(rules, { id: 'retail', schema: await hashSchema(small, crypto), zone: `Etc/N${n}`, parent, ...more })
}

export function context(repository: PolicyRepository, more: Partial<SmallContext> = {}): SmallContext {
  return { schema: small, crypto, repository, clock: () => 7, by: 'op', ...more }
}
