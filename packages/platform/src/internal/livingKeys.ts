/** A tenant's keys as they stand: one object all along, whatever turns behind it, so that what was made of it once turns along. */
import type { KeyRing, Ring } from '@postern/core/keyRing'
import type { KeySource, TenantKeys } from '@postern/tokens/keys'

export interface LivingKeys {
  readonly keys: KeyRing
  /** Of the restore that handles are bound to. */
  epoch(): string
  restore(): TenantKeys['restore']
  /** Looks again where that is due; a memory look-up otherwise. @throws PosternError `keys.none_active` | `keys.invalid` | `store.*` */
  refresh(): Promise<void>
}

/** @param source - keys that never turn while the process runs, or a source of those in the store */
export async function livingKeys(source: KeyRing | KeySource): Promise<LivingKeys> {
  if (!('current' in source)) return { keys: source, epoch: () => '0', restore: () => 'none', refresh: async () => undefined }
  let held = await source.current()
  const ring = <K extends 'signing' | 'long' | 'short'>(kind: K): KeyRing[K] =>
    ({
      active: (now) => held.keys[kind].active(now),
      published: (now) => held.keys[kind].published(now),
      find: (kid, now) => held.keys[kind].find(kid, now),
    }) as Ring<never> as unknown as KeyRing[K]
  const [signing, long, short] = [ring('signing'), ring('long'), ring('short')]
  return {
    keys: { signing, long, short, secret: (label) => held.keys.secret(label) },
    epoch: () => held.restoreEpoch,
    restore: () => held.restore,
    async refresh() {
      held = await source.current()
    },
  }
}
