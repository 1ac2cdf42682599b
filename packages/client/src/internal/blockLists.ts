/** Lists of refused PINs that the policy names by their hash: loaded from where it says, all of them before anybody types. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { openBlockList } from '@postern/policy/pin/blocklist'
import type { BlockList, BlockListRef, BlockLists, PinPolicy } from '@postern/policy/pin/policy'
import type { ClientRuntime } from '../ports.js'
import { failedFetch } from './net.js'
import { cancelled, type Operation } from './operation.js'

export interface BlockListSource {
  /**
   * The policy of the lengths that it allows, and their lists.
   * @throws PosternError `net.*`, also for a list that is not the one named: without it, no PIN is made
   */
  load(policy: PinPolicy, op: Operation): Promise<{ readonly policy: PinPolicy; readonly blocklists: BlockLists }>
}

/** What a million PINs of ten digits take, twice. */
const MAX_BYTES = 4 * 1024 * 1024

/** @param o.issuer - a `ref` is an address relative to it, of the same scheme */
export function createBlockLists({
  issuer,
  runtime,
}: {
  readonly issuer: string
  readonly runtime: ClientRuntime
}): BlockListSource {
  /** By hash and length, for as long as the app runs. */
  const known = new Map<string, BlockList>()

  async function listOf(length: number, named: BlockListRef, op: Operation): Promise<BlockList> {
    const name = `${length} ${named.hash}`
    const found = known.get(name)
    if (found !== undefined) return found
    const bytes = await op.wait(read(named.ref, op.signal))
    const list = await openBlockList(length, named, bytes, runtime.crypto).catch((cause: unknown) => {
      throw isPosternError(cause, 'pin.blocklist_mismatch') ? unusable('another list', cause) : cause
    })
    known.set(name, list)
    return list
  }

  async function read(ref: string, signal: AbortSignal): Promise<Uint8Array> {
    const base = new URL(`${issuer}/`)
    const url = URL.canParse(ref, base) ? new URL(ref, base) : null
    if (url?.protocol !== base.protocol) throw unusable('address')
    try {
      const reply = await runtime.fetch(url.href, { signal, credentials: 'omit' })
      if (!reply.ok) throw unusable(`status ${reply.status}`)
      if (Number(reply.headers.get('content-length') ?? 0) > MAX_BYTES) throw unusable('size')
      const bytes = new Uint8Array(await reply.arrayBuffer())
      if (bytes.length > MAX_BYTES) throw unusable('size')
      return bytes
    } catch (cause) {
      if (isPosternError(cause)) throw cause
      throw signal.aborted ? cancelled() : failedFetch(runtime, cause)
    }
  }

  return {
    async load(policy, op) {
      const { min, max } = policy.length
      const here = Object.entries(policy.blocklists).filter(([length]) => Number(length) >= min && Number(length) <= max)
      const lists = await Promise.all(
        here.map(async ([length, named]) => ('ref' in named ? [[length, await listOf(Number(length), named, op)] as const] : [])),
      )
      // Of another length no PIN passes, whatever its list says.
      return { policy: { ...policy, blocklists: Object.fromEntries(here) }, blocklists: Object.fromEntries(lists.flat()) }
    },
  }
}

function unusable(reason: string, cause?: unknown): PosternError<'net.unreachable'> {
  return new PosternError('net.unreachable', { reason: `block list: ${reason}`, cause })
}
