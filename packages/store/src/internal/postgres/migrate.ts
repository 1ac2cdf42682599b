/** Brings the schema of a database up to this program's: once, whoever asks first. */
import { PosternError } from '@postern/core/errors'
import type { PgPort, PgSession } from '../../postgres.js'
import { causeOf } from './outcome.js'
import { lockOf, migrationsOf, type Names, SCHEMA_VERSION, versionTable } from './schema.js'

/** The least version of a program that may use {@link SCHEMA_VERSION}; steps only add, so it is the first. */
const OLDEST = 1

/** @returns the version before and after @throws PosternError `store.schema_unknown` for a schema newer than this program */
export async function migrate(port: PgPort, names: Names): Promise<{ readonly from: number; readonly to: number }> {
  try {
    // In one transaction, which a session that ends early rolls back; a throw costs the session.
    return await port.withSession(async (session) => {
      const run = (text: string, values: readonly unknown[] = []) => session.query('', text, values)
      await run('begin')
      await run(`select pg_advisory_xact_lock(${lockOf('$1::text')})`, [names.schema])
      const from = await steps(run, names)
      await run('commit')
      return { from, to: SCHEMA_VERSION }
    })
  } catch (error) {
    if (error instanceof PosternError) throw error
    throw new PosternError('store.unavailable', { cause: causeOf(error) })
  }
}

async function steps(
  run: (text: string, values?: readonly unknown[]) => ReturnType<PgSession['query']>,
  names: Names,
): Promise<number> {
  await run(versionTable(names))
  const { rows } = await run(`select version from ${names.schema}`)
  const from = Number(rows[0]?.['version'] ?? 0)
  if (from > SCHEMA_VERSION)
    throw new PosternError('store.schema_unknown', {
      publicMessage: 'The schema of the store is newer than this program; nothing was changed.',
    })
  for (const { version, statements } of migrationsOf(names))
    if (version > from) for (const statement of statements) await run(statement)
  if (rows.length === 0)
    await run(`insert into ${names.schema} (version, oldest) values ($1::int, $2::int)`, [SCHEMA_VERSION, OLDEST])
  else if (from < SCHEMA_VERSION)
    await run(`update ${names.schema} set version = $1::int, oldest = $2::int`, [SCHEMA_VERSION, OLDEST])
  return from
}
