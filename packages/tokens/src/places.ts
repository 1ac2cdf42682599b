/**
 * Where records live. Every atomic step stays in one partition: a grant's owner is `dev:<client_id>` for an app instance and
 * `usr:<h(subject)>` for a shared client. `h` is HMAC-SHA-256 under the tenant's naming key over a label and the value, 16 bytes of it,
 * lower-case base32: no subject appears in a key.
 */
import { encodeBase32 } from '@postern/core/base32'
import type { CryptoPort, HmacKey } from '@postern/core/cryptoPort'
import type { KeyRing } from '@postern/core/keyRing'
import { tuple } from '@postern/core/tuple'
import type { Op, Part } from '@postern/store'

export interface Places {
  /** `h(value)` under a label of its place; 26 characters. */
  name(label: string, value: string): Promise<string>
  device(clientId: string): Part
  user(subject: string): Promise<Part>
  /** A shared client's own partition. */
  client(clientId: string): Part
  owner(client: { readonly id: string; readonly kind: 'instance' | 'shared' }, subject: string): Promise<Part>
  /** `ep`: the instance's, or the user's, own epoch. */
  readonly epoch: string
  /** `ep/u/<h(sub)>`: one user on an instance. */
  userEpoch(subject: string): Promise<string>
  /** `ep/c/<h(client)>`: one client of a user. */
  clientEpoch(clientId: string): Promise<string>
  /** `con/<h(client)>`: what a user has agreed to for one client. */
  consent(clientId: string): Promise<string>
  /** `ep/s/<sid>`: one browser session of a user. */
  sessionEpoch(sid: string): string
  /** Where a device grant waits for its user: by `h(user_code)`, which is its id. */
  deviceGrant(userCode: string): Promise<Part>
  /** Where a request waits that names nobody. */
  nobody(hint: string): Promise<Part>
  /** Counts user codes that one network address tries. */
  guessesFrom(block: string): Promise<Part>
  /** Counts a part of all that are tried; `shard` 0 to 63. */
  guesses(shard: number): Part
  /** The marker that makes a proof of an instance single-use, in its own partition. */
  proofOp(proof: { readonly jkt: string; readonly jti: string }, expiresAt: number): Promise<Op>
  /** The same for everyone else: partition and op, spread by `jti`. */
  sharedProofOp(
    proof: { readonly jkt: string; readonly jti: string },
    expiresAt: number,
  ): Promise<{ readonly part: Part; readonly op: Op }>
  /** The marker that makes a software statement single-use; it may live for a year, so not where markers may be forgotten. */
  statementOp(issuer: string, jti: string, expiresAt: number): Promise<{ readonly part: Part; readonly op: Op }>
}

const NOTHING = new Uint8Array(0)
const MAX_CLIENTS = 1000

/** Where a tenant's key ring and its restore epoch live: the one place that no key is needed to find. */
export function keysPart(tenant: string): Part {
  return { tenant, id: 'keys' }
}

/** The places of one tenant. */
export function places({
  keys,
  crypto,
  tenant,
}: {
  readonly keys: KeyRing
  readonly crypto: CryptoPort
  readonly tenant: string
}): Places {
  let naming: Promise<HmacKey> | undefined
  const namingKey = async (): Promise<HmacKey> => crypto.hmacKey('SHA-256', await keys.secret('postern:places/v1:naming'))

  async function h(label: string, ...values: readonly string[]): Promise<string> {
    naming ??= namingKey()
    const mac = await crypto.hmac(await naming, tuple('postern:places/v1', label, ...values))
    return encodeBase32(mac.subarray(0, 16))
  }
  const part = (id: string): Part => ({ tenant, id })
  // Clients are few, and each is named in every step of its users.
  const clients = new Map<string, string>()
  async function clientEpoch(clientId: string): Promise<string> {
    const known = clients.get(clientId)
    if (known !== undefined) return known
    const key = `ep/c/${await h('client', clientId)}`
    if (clients.size < MAX_CLIENTS) clients.set(clientId, key)
    return key
  }
  const user = async (subject: string): Promise<Part> => part(`usr:${await h('usr', subject)}`)
  const device = (clientId: string): Part => part(`dev:${clientId}`)
  const marker = (name: string, until: number): Op => {
    // An assertion may end within a millisecond, a record does not.
    return { op: 'put', key: `j/${name}`, value: NOTHING, rev: null, expiresAt: Math.ceil(until) }
  }

  return {
    name: h,
    device,
    user,
    client: (clientId) => part(`cl:${clientId}`),
    owner: async ({ id, kind }, subject) => (kind === 'instance' ? device(id) : user(subject)),
    epoch: 'ep',
    userEpoch: async (subject) => `ep/u/${await h('sub', subject)}`,
    clientEpoch,
    consent: async (clientId) => `con/${await h('client', clientId)}`,
    sessionEpoch: (sid) => `ep/s/${sid}`,
    deviceGrant: async (userCode) => part(`dg:${await h('user_code', userCode)}`),
    nobody: async (hint) => part(`nu:${await h('nobody', hint)}`),
    guessesFrom: async (block) => part(`rl:${await h('address', block)}`),
    guesses: (shard) => part(`rl:uc.${String(shard).padStart(2, '0')}`),
    proofOp: async ({ jkt, jti }, expiresAt) => marker(await h('proof', jkt, jti), expiresAt),
    async sharedProofOp({ jkt, jti }, expiresAt) {
      const name = await h('proof', jkt, jti)
      // Sixteen partitions a key, so that a busy client is not one hot shard.
      const shard = (name.charCodeAt(0) & 15).toString(16)
      return { part: part(`jk:${await h('prover', jkt)}.${shard}`), op: marker(name, expiresAt) }
    },
    statementOp: async (issuer, jti, expiresAt) => ({
      part: part(`st:${await h('statement', issuer)}`),
      op: marker(await h('statement', issuer, jti), expiresAt),
    }),
  }
}
