/** The table, the function and their versions, as SQL: applied by `migratePostgres`, or by the host's own tool. */
import { PosternError } from '@postern/core/errors'

/** One step of the schema. Steps only ever add, so that programs of different versions run beside each other. */
export interface PostgresMigration {
  readonly version: number
  /** Statements, to be run in order and in one transaction. */
  readonly statements: readonly string[]
}

/** What belongs to one table. */
export interface Names {
  readonly table: string
  /** `postern_commit` for `postern_kv`. */
  readonly commit: string
  /** Where the version of the schema is recorded. */
  readonly schema: string
}

/** The version that this program needs. */
export const SCHEMA_VERSION = 1

export const DEFAULT_TABLE = 'postern_kv'

/** SQLSTATEs of our own, in a class that PostgreSQL leaves to its users. */
export const GUARANTEE_LOST = 'PS001'
export const TOO_LATE = 'PS002'

/** What a server must say for `lossless`: it waits until a standby has the commit on disk, and its warnings reach us. */
export const KEEPS_ALL = `current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') in ('on', 'remote_apply')
  and current_setting('client_min_messages') not in ('error', 'fatal', 'panic')`

/** @throws PosternError `store.invalid` unless this is the name of a table */
export function namesOf(table: string): Names {
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(table))
    throw new PosternError('store.invalid', { publicMessage: 'A table is [a-z_][a-z0-9_]{0,40}.' })
  const base = table.replace(/_kv$/, '')
  return { table, commit: `${base}_commit`, schema: `${base}_schema` }
}

/** Every step from nothing to {@link SCHEMA_VERSION}. */
export function migrationsOf(names: Names): readonly PostgresMigration[] {
  return [{ version: 1, statements: [table(names), outbox(names), commit(names)] }]
}

/** `oldest` is the least {@link SCHEMA_VERSION} of a program that may use it. */
export function versionTable({ schema }: Names): string {
  return `create table if not exists ${schema} (version int not null, oldest int not null)`
}

/** Not looked after while it is small: a plan that was made for a page or two would read the whole of a table that grows fast. */
function table({ table }: Names): string {
  return `create table ${table} (p text collate "C" not null, k text collate "C" not null, v bytea not null, r text not null, n bigint not null,
  x bigint not null, primary key (p, k)) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_threshold = 5000)`
}

/** Its columns never change, so that updates stay heap-only. */
function outbox({ table }: Names): string {
  return `create index ${table}_outbox on ${table} (k, p) where k >= 'e/' and k < 'e0'`
}

/**
 * Many commits, each of many ops. The arrays have an entry an op: which commit it is of, what it is (a place in {@link OPS}), partition,
 * key, expected rev (null: none, empty: absent), rev, `now`; then, for a put, offset and length of its value in `vs`, for an add `by`
 * and `max`; expiry. `waves` are the last ops of the waves: no two ops of a wave have one key, and a wave sees what those before it did.
 * Answers with a row for each commit that failed (`held` = 0: the op at `i`, and what stands there) and for each check and add that held.
 *
 * All locks come before the first row, in an order that all keep. Each wave is one statement, with a snapshot younger than the locks.
 * The plan is fixed: one that was made while the table was empty would read all of it.
 */
function commit({ table, commit }: Names): string {
  return `create function ${commit}(locks boolean, lossless boolean, lock_ms text, late_ms int, waves int[], cs int[], os int[], ps text[],
  ks text[], es text[], rs text[], ts bigint[], as_ bigint[], ms bigint[], xs bigint[], vs bytea)
returns table (i int, held int, v bytea, r text, n bigint, x bigint) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $postern$
#variable_conflict use_column
declare
  lo int := 1;
  hi int;
begin
  if lossless and not (${KEEPS_ALL}) then
    raise exception using errcode = '${GUARANTEE_LOST}', message = 'the settings of replication have changed';
  end if;
  if locks then
    perform set_config('lock_timeout', lock_ms, true);
    perform pg_advisory_xact_lock(d.h) from (select distinct ${lockOf('u.p')} as h from unnest(ps) u(p) order by 1) d;
    if clock_timestamp() > statement_timestamp() + late_ms * interval '1 millisecond' then
      raise exception using errcode = '${TOO_LATE}', message = 'the locks came too late';
    end if;
  end if;
  foreach hi in array waves loop
    return query
    with ops as materialized (
      select (u.i + lo - 1)::int as i, u.c, u.o, u.p, u.k, u.r, u.a, u.m, u.x, s.k is not null as live, s.v as sv, s.r as sr, s.n as sn, s.x as sx,
        case
          when u.o = 4 then case when u.a > 0 then coalesce(s.n, 0) + u.a <= u.m else coalesce(s.n, 0) + u.a >= 0 end
          when u.e is null then true
          when u.e = '' then s.k is null
          else s.r is not distinct from u.e
        end as holds
      from unnest(cs[lo:hi], os[lo:hi], ps[lo:hi], ks[lo:hi], es[lo:hi], rs[lo:hi], ts[lo:hi], as_[lo:hi], ms[lo:hi], xs[lo:hi])
        with ordinality u(c, o, p, k, e, r, t, a, m, x, i)
      left join ${table} s on s.p = u.p and s.k = u.k and s.x > u.t
    ),
    failed as materialized (select c, min(i) as i from ops where not holds group by c),
    won as materialized (select * from ops where not exists (select from failed f where f.c = ops.c)),
    put as (
      insert into ${table} as t (p, k, v, r, n, x)
      select p, k, case when o = 2 then substring(vs from a::int for m::int) when live then sv else '' end, r,
        case when o = 2 then 0 when live then sn + a else a end, case when o = 4 and live then sx else x end
      from won where o in (2, 4)
      on conflict (p, k) do update set v = excluded.v, r = excluded.r, n = excluded.n, x = excluded.x
    ),
    gone as (delete from ${table} t using won d where d.o = 3 and t.p = d.p and t.k = d.k)
    select f.i, 0, ops.sv, ops.sr, ops.sn, ops.sx from failed f join ops on ops.i = f.i
    union all
    select w.i, 1, w.sv, w.sr, w.sn, w.sx from won w where w.o = 1
    union all
    select w.i, 1, case when w.live then w.sv else '' end, w.r, case when w.live then w.sn else 0 end + w.a, case when w.live then w.sx else w.x end
    from won w where w.o = 4;
    lo := hi + 1;
  end loop;
end $postern$`
}

/** The advisory lock of a partition. Hashed by the server, so that programs of every version agree. */
export function lockOf(place: string): string {
  return `hashtextextended(${place}, 5436)`
}

/** What an op is in the function's eyes. */
export const OPS = { check: 1, put: 2, del: 3, add: 4 } as const
