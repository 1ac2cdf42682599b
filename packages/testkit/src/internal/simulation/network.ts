/** A network without a wire: hosts are functions, and replies get lost, doubled and late as the seed says. */
import type { Fetch } from '@postern/core/runtime'
import { between, drawsOf, fraction } from '../prng.js'

/** What answers for a host; the same shape as the suite's own Fetch handlers. */
export type Handler = (request: Request) => Response | Promise<Response>

/** The chance, 0 to 1, of each fault for each request. All default to 0. */
export interface Faults {
  /** The request never arrives; the caller sees a network error. */
  readonly loseRequest?: number
  /** The handler runs and its reply is lost; the caller sees the same network error. */
  readonly loseReply?: number
  /** The handler runs twice; the caller gets the first reply. */
  readonly duplicate?: number
  /** The longest delay of a request and of a reply, in ms; needs `pause`. */
  readonly delayMs?: number
}

export interface NetworkOptions {
  readonly seed: number
  readonly faults?: Faults
  /** Waits; a test passes real time or its own scheduler. The default waits for nothing. */
  readonly pause?: (ms: number) => Promise<void>
}

export interface SimNetwork {
  readonly fetch: Fetch
  /** Lets `handler` answer for `host`, such as `bank.example` or `localhost:8080`. */
  register(host: string, handler: Handler): void
  /** Sets the faults from here on. */
  setFaults(faults: Faults): void
}

/** How many redirects a fetch follows before it gives up (Fetch standard, HTTP-redirect fetch). */
const MAX_REDIRECTS = 20

/** A network of registered hosts; any other host does not resolve. */
export function simNetwork({ seed, faults = {}, pause = async () => {} }: NetworkOptions): SimNetwork {
  // A stream of its own: traffic does not change what the process draws.
  const draw = drawsOf(seed ^ 0x6e657477)
  const hosts = new Map<string, Handler>()
  let current = faults

  /** Draws once for each fault, whatever is configured, so that a changed chance moves no other choice. */
  const fate = () => ({
    requestLost: fraction(draw) < (current.loseRequest ?? 0),
    replyLost: fraction(draw) < (current.loseReply ?? 0),
    doubled: fraction(draw) < (current.duplicate ?? 0),
    before: between(draw, 0, current.delayMs ?? 0),
    behind: between(draw, 0, current.delayMs ?? 0),
  })

  const exchange = async (request: Request): Promise<Response> => {
    const handler = hosts.get(new URL(request.url).host)
    const { requestLost, replyLost, doubled, before, behind } = fate()
    await pause(before)
    request.signal.throwIfAborted()
    if (handler === undefined || requestLost) throw lost(handler === undefined ? 'host not found' : 'the connection was lost')
    const again = doubled ? request.clone() : null
    const reply = await handler(request)
    if (again !== null) await handler(again)
    await pause(behind)
    request.signal.throwIfAborted()
    if (replyLost) throw lost('the connection was lost')
    return reply
  }

  const fetch: Fetch = async (input, init) => {
    let request = new Request(input, init)
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const { redirect, signal, headers } = request
      const reply = await exchange(request)
      const location = reply.headers.get('location')
      if (location === null || ![301, 302, 303, 307, 308].includes(reply.status) || redirect === 'manual') return reply
      if (redirect === 'error') throw lost('a redirect was refused')
      // Of a followed request no body is kept: what signs or seals one never follows.
      request = new Request(new URL(location, request.url), { headers, signal, redirect })
    }
    throw lost('too many redirects')
  }

  return {
    fetch,
    register: (host, handler) => void hosts.set(host, handler),
    setFaults(next) {
      current = next
    },
  }
}

/** What the platform's fetch throws, too. */
function lost(why: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(why) })
}
