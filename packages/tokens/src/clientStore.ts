/**
 * Shared clients that register themselves: records in `cl:<id>`, admitted by a function of the host. Nothing at rest lets its reader act as one.
 */
import { encodeBase32 } from '@postern/core/base32'
import { setBounded } from '@postern/core/boundedMap'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { KeyRing } from '@postern/core/keyRing'
import type { Op, Part, Rec, Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Admission, Client, ClientConfig, ClientMetadata, ClientPort, RegistrationCall, StatementIssuer } from './clients.js'
import { commitRepeatable } from './internal/commit.js'
import { eventOf, ship } from './internal/events.js'
import { type StoredAuth, storedCredentials } from './internal/storedCredentials.js'
import { places } from './places.js'

/** What the host grants a client that asks to be registered. */
export interface Admitted
  extends Partial<Pick<ClientConfig, 'resources' | 'introspects' | 'requirePar' | 'dpopBound' | 'certificateBound'>> {
  /** What it may ask for at most. */
  readonly scope: readonly string[]
  /** Default what it registered. */
  readonly grantTypes?: readonly string[]
  /** For clients whose instances are attested: by whom. */
  readonly attesters?: readonly string[]
  /** `[A-Za-z0-9._~-]{1,64}`; default 130 random bits. At an update it does not count. */
  readonly id?: string
  /** Written with the client, ≤ 8, in its partition. */
  readonly ops?: readonly Op[]
}

/**
 * Whether a client may register, or change its registration: by its metadata, its software statement, an initial access token in the
 * request's `Authorization`. To refuse, throw a `PosternError`.
 */
export type AdmitClient = (
  metadata: ClientMetadata,
  o: { readonly request: Request; readonly before: Client | null },
) => Promise<Admitted>

export interface ClientStoreOptions {
  readonly runtime: Runtime
  readonly tenant: string
  /** Any snapshot of the tenant's keys: its root alone is used, which no rotation changes. */
  readonly keys: KeyRing
  /** Without it nobody registers; what is stored is found all the same. */
  readonly admit?: AdmitClient
  /** Whose software statements count. */
  readonly statements?: readonly StatementIssuer[]
  /** How long a node may act on what it remembers of a client, and so how late a revocation reaches it; default and at most 10,000 ms. */
  readonly cacheMs?: number
}

const CACHE_MAX = 10_000
const CACHE_MS = 10_000
const ID = /^[A-Za-z0-9._~-]{1,64}$/
const RECORD = 'c'

/** A client as it is written. */
interface Stored extends Omit<ClientConfig, 'id' | 'auth'> {
  readonly v: 1
  readonly auth: StoredAuth
  readonly serial: number
  readonly redirectUris: readonly string[]
  readonly grantTypes: readonly string[]
  readonly about: JsonObject
  /** Ms. */
  readonly createdAt: number
}

/**
 * A port over stored clients, for `IssuerContext.clients`. Revoke a client with all its grants by `revoke({ client })`; `DELETE` of its registration does that, too.
 * @throws PosternError `tokens.config` for a `cacheMs` above 10,000
 */
export function clientsInStore(o: ClientStoreOptions): ClientPort {
  const { runtime, tenant, keys, admit, statements = [], cacheMs = CACHE_MS } = o
  const { store, clock, crypto, random } = runtime
  if (!(cacheMs >= 0 && cacheMs <= CACHE_MS))
    throw new PosternError('tokens.config', { publicMessage: `cacheMs is ${cacheMs}; ${CACHE_MS} is the most.` })
  const place = places({ keys, crypto, tenant })
  const credentials = storedCredentials({ keys, crypto, random, tenant })
  const remembered = new Map<string, { readonly client: Client | null; readonly at: number }>()

  async function admission(call: RegistrationCall, before: { client: Client; stored: Stored } | null): Promise<Admission> {
    const { shared, serial, request } = call
    if (shared === null || admit === undefined) throw new PosternError('metadata.refused')
    const granted = await admit(shared, { request, before: before?.client ?? null })
    const { id: chosen, ops, attesters = [], ...grant } = granted
    const id = before?.client.id ?? chosen ?? encodeBase32(random(16))
    if (!ID.test(id))
      throw new PosternError('tokens.config', { publicMessage: 'The id of an admitted client is not well-formed.' })
    const [auth, secret] = await credentials.of(shared, attesters, before?.stored.auth ?? null)
    const { method: _, certificate: __, statement: ___, scope: ____, ...registered } = shared
    const stored: Stored = { ...registered, ...grant, v: 1, auth, serial, createdAt: before?.stored.createdAt ?? clock() }
    const part = place.client(id)
    return {
      client: clientOf(id, stored, before?.client.epoch ?? null),
      part,
      key: RECORD,
      value: utf8(JSON.stringify(stored)),
      ...(ops !== undefined && { ops }),
      members: { ...secret, client_id_issued_at: Math.floor(stored.createdAt / 1000) },
      after: async () => void remembered.delete(id),
    }
  }

  function clientOf(id: string, stored: Stored, epoch: string | null, record?: Client['record']): Client {
    const { v: _, createdAt: __, auth, about, ...members } = stored
    return {
      ...members,
      id,
      kind: 'shared',
      auth: credentials.auth(auth),
      metadata: about,
      epoch,
      ...(record !== undefined && { record }),
    }
  }

  async function read(id: string): Promise<{ readonly client: Client; readonly stored: Stored } | null> {
    const part: Part = place.client(id)
    const [rec, epoch] = await store.read(part, [RECORD, place.epoch], { now: clock() })
    const stored = rec ? storedIn(rec) : null
    if (stored === null) return null
    const record = { part, key: RECORD, rev: rec!.rev }
    return { client: clientOf(id, stored, epoch?.rev ?? null, record), stored }
  }

  async function find(id: string, { fresh = false }: { readonly fresh?: boolean } = {}): Promise<Client | null> {
    const known = remembered.get(id)
    if (!fresh && known !== undefined && clock() - known.at < cacheMs) return known.client
    // Before the read: what comes of it is no younger than that.
    const at = clock()
    const client = ID.test(id) ? ((await read(id))?.client ?? null) : null
    remembered.delete(id)
    // Names that nobody has are everybody's to make up; they fill no memory.
    if (client !== null) setBounded(remembered, id, { client, at }, CACHE_MAX)
    return client
  }

  return {
    find,
    kindOf: () => 'shared',
    statements,
    ...(admit !== undefined && {
      admit: (call: RegistrationCall) => admission(call, null),
      async update(client: Client, call: RegistrationCall) {
        const before = await read(client.id)
        // Between the look-up and now: the commit would lose against it anyway.
        if (before?.client.record?.rev !== client.record?.rev) throw new PosternError('store.overloaded')
        return admission(call, before)
      },
      async remove(client: Client) {
        const part = place.client(client.id)
        const event = eventOf('client.removed', { runtime, tenant }, { client })
        const ops: readonly Op[] = [
          // Without condition: a removal never loses to an update.
          { op: 'put', key: RECORD, value: utf8('{"v":1,"removed":true}') },
          { op: 'put', key: place.epoch, value: utf8(String(clock())) },
          eventOp(event),
        ]
        await commitRepeatable(part, ops, { runtime })
        remembered.delete(client.id)
        ship(part, [event], { runtime, tenant })
      },
    }),
  }
}

/** @returns `null` for a client that was removed */
function storedIn(rec: Rec): Stored | null {
  const value = JSON.parse(fromUtf8(rec.value) ?? 'null') as Stored | { readonly v: number; readonly removed: true } | null
  if (value === null || value.v !== 1) throw new PosternError('store.schema_unknown')
  return 'removed' in value ? null : value
}

/**
 * App instances and shared clients behind one `/register`: what `isInstance` says yes to is the first port's, everything else the second's.
 * @param isInstance - of the metadata as it was sent, before anything is checked
 */
export function besideInstances(
  instances: ClientPort,
  shared: ClientPort,
  isInstance: (metadata: JsonObject) => boolean,
): ClientPort {
  const { nonce, statements } = { nonce: instances.nonce, statements: shared.statements }
  const portOf = ({ kind }: Pick<Client, 'kind'>): ClientPort => (kind === 'instance' ? instances : shared)
  const missing = (): never => {
    throw new PosternError('metadata.refused', { publicMessage: 'Clients of this kind do not register here.' })
  }
  return {
    find: async (id, o) => (await instances.find(id, o)) ?? shared.find(id, o),
    kindOf: (metadata) => (isInstance(metadata) ? 'instance' : 'shared'),
    admit: async (call) => portOf({ kind: call.shared === null ? 'instance' : 'shared' }).admit?.(call) ?? missing(),
    update: async (client, call) => portOf(client).update?.(client, call) ?? missing(),
    remove: async (client) => portOf(client).remove?.(client) ?? missing(),
    ...(nonce !== undefined && { nonce }),
    ...(statements !== undefined && { statements }),
  }
}
