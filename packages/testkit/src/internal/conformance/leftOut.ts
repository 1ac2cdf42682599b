/** What is not judged, said aloud: one case for each suite that is left out. */
import type { Store } from '@postern/store'
import { holds, refused } from '../check.js'
import { type Capability, type Case, type Kit, NOW, PART } from './kit.js'

/** How a store shows that it lacks something: an answer that is merely empty would pass for one. */
const ABSENT: { readonly [C in Capability]?: (store: Store) => Promise<void> } = {
  async list(store) {
    await refused('store.list_disabled', 'list', () => store.list(PART, '', { now: NOW, limit: 1 }))
  },
  outbox: async (store) => holds(store.outbox === undefined, 'it has an outbox'),
  sweep: async (store) => holds(store.sweep === undefined, 'it has a sweep'),
}

/** What the caller named: a driver that lacks a call must show it, and what cannot be done to a driver has nothing to show. */
export function skipped(kit: Kit, capability: Capability): readonly Case[] {
  const absent = ABSENT[capability]
  if (absent) return [{ name: `${capability}: left out, and the driver says that it has none`, run: () => kit.over(absent) }]
  return [{ name: `${capability}: left out, as something that cannot be done to this driver`, run: async () => {} }]
}

/** What the caller did not speak of: no test, and not a pass either. */
export function forgotten(capability: Capability): readonly Case[] {
  return [{ name: `${capability}: left out, since no rig was given`, leftOut: true, run: async () => {} }]
}
