/** What the server must still hear: revocations (RFC 7009) and removals (RFC 7592), kept until it has heard them. */
import { isPosternError } from '@postern/core/errors'
import type { Kit } from './kit.js'
import { type Operation, operation } from './operation.js'
import type { Untold } from './state.js'

/** Keeps items first and then tells them: a crash in between loses none. `queued` when the server could not be reached. */
export async function tell(kit: Kit, items: readonly Untold[]): Promise<'told' | 'queued'> {
  if (items.length === 0) return 'told'
  await kit.state.update((state) => ({ ...state, untold: [...state.untold, ...items] }))
  try {
    await tellAll(kit, operation(new AbortController().signal))
    return 'told'
  } catch {
    return 'queued'
  }
}

/** Tells whatever waits, in order. @throws PosternError `net.*` at the first that cannot be told */
export async function tellAll(kit: Kit, op: Operation): Promise<void> {
  const { untold } = await kit.state.read()
  for (const item of untold) {
    await tellOne(kit, item, op)
    const { untold: left } = await kit.state.update((state) => ({
      ...state,
      untold: state.untold.filter((one) => !same(one, item)),
    }))
    if (item.kind === 'unregister' && !left.some(({ keyId }) => keyId === item.keyId))
      await kit.options.keystore.remove(item.keyId).catch(() => undefined)
  }
}

/** An answer is an answer: a token or client that the server does not know any more needs no further word. */
async function tellOne({ net }: Kit, item: Untold, op: Operation): Promise<void> {
  const { clientId, token } = item
  try {
    if (item.kind === 'unregister') {
      await net.ask({ method: 'DELETE', path: `/register/${clientId}`, key: item, token }, op)
      return
    }
    const form = { token, token_type_hint: 'refresh_token', client_id: clientId }
    await net.ask({ method: 'POST', path: '/revoke', key: item, form }, op)
  } catch (error) {
    // A key that is gone can prove nothing any more; the server's own ends of life have to do.
    if (isPosternError(error, 'storage.lost')) return
    throw error
  }
}

function same(a: Untold, b: Untold): boolean {
  return a.kind === b.kind && a.token === b.token
}
