/** What the server says it survives, asked when a store is opened. */
import { PosternError } from '@postern/core/errors'
import type { Guarantees } from '../../contract.js'
import type { Ask } from './ask.js'
import { KEEPS_ALL, type Names, SCHEMA_VERSION } from './schema.js'

/** How the server is replicated, as its operator declares it: a server cannot see what a fail-over manager will do. */
export type Topology = 'single' | 'sync-standby' | 'async-standby'

/**
 * @param topology - undeclared, the store may lose: a standby that nobody spoke of may take over
 * @throws PosternError `store.guarantee_lost` when `sync-standby` is declared and the settings do not wait for one
 * @throws PosternError `store.schema_unknown` when the schema is not there, or is not for this program
 * @throws PosternError `store.unavailable` on a server that takes no writes
 */
export async function probe(
  ask: Ask,
  names: Names,
  topology: Topology | undefined,
  most: 'none' | undefined,
): Promise<Guarantees> {
  await checkSchema(ask, names)
  const [seen = {}] = await ask(
    'read',
    {
      name: '',
      text: `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages, current_setting('synchronous_commit') as sync,
        (${KEEPS_ALL})::int as kept, (pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on')::int as unwritable`,
    },
    [],
  )
  if (Number(seen['unwritable']) === 1) throw new PosternError('store.unavailable', { reason: 'the server takes no writes' })
  const durable = seen['sync'] === 'off' ? 'none' : seen['fsync'] === 'on' && seen['pages'] === 'on' ? 'power' : 'process'
  return { durable: most ?? durable, failover: failoverOf(topology, Number(seen['kept']) === 1) }
}

function failoverOf(topology: Topology | undefined, kept: boolean): Guarantees['failover'] {
  if (topology === 'single') return 'none'
  if (topology !== 'sync-standby') return 'may-lose'
  if (kept) return 'lossless'
  throw new PosternError('store.guarantee_lost', {
    publicMessage:
      'The topology says sync-standby, but the server does not wait for one: set synchronous_standby_names, synchronous_commit = on (or remote_apply), and client_min_messages = warning or lower.',
  })
}

async function checkSchema(ask: Ask, { schema }: Names): Promise<void> {
  const [there = {}] = await ask('read', { name: '', text: `select (to_regclass('${schema}') is not null)::int as there` }, [])
  const [found] =
    Number(there['there']) === 1 ? await ask('read', { name: '', text: `select version, oldest from ${schema}` }, []) : []
  if (found === undefined || Number(found['version']) < SCHEMA_VERSION)
    throw new PosternError('store.schema_unknown', {
      publicMessage: 'The schema of the store is missing or older; run migratePostgres.',
    })
  if (Number(found['oldest']) > SCHEMA_VERSION)
    throw new PosternError('store.schema_unknown', {
      publicMessage: 'The schema of the store is not for a program as old as this one.',
    })
}
