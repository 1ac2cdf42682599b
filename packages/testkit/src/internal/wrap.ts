import type { Store } from '@postern/store'

/** What a wrapper does around each call that goes over the wire. */
export type Around = <T>(kind: 'read' | 'commit' | 'list' | 'outbox', call: () => Promise<T>) => Promise<T>

/** The store with `around` every read, commit, list and outbox; what it lacks, the wrapper lacks too. */
export function wrapped(store: Store, around: Around): Store {
  return {
    guarantees: store.guarantees,
    read: (part, keys, o) => around('read', () => store.read(part, keys, o)),
    commit: (part, ops, o) => around('commit', () => store.commit(part, ops, o)),
    list: (part, prefix, o) => around('list', () => store.list(part, prefix, o)),
    ...(store.outbox && { outbox: (o) => around('outbox', () => store.outbox!(o)) }),
    ...(store.sweep && { sweep: (now, budgetMs) => store.sweep!(now, budgetMs) }),
    ...(store.time && { time: () => store.time!() }),
    close: () => store.close(),
  }
}
