/// <reference types="node" />
/** A TCP link that delays, stalls and cuts, for Node: loopback is so fast that it hides what a failover loses. */
import { createServer, connect as dial, type Socket } from 'node:net'

/** Bytes that went through, from the one who dialled (`up`) and from the target (`down`). */
export interface Passed {
  readonly up: number
  readonly down: number
}

export interface DelayingProxy {
  /** The port to dial instead of the target's, on 127.0.0.1. */
  readonly port: number
  /** How long each direction takes from now on, in ms. */
  delay(ms: number): void
  /** Takes and gives nothing until {@link DelayingProxy.resume}; connections stay open. */
  stall(): void
  resume(): void
  /** Ends every connection at once and drops what is under way; new ones are accepted. */
  cut(): void
  /** Lets so many more bytes of one direction arrive, then cuts as {@link DelayingProxy.cut} does. */
  cutAfter(direction: keyof Passed, bytes: number): void
  passed(): Passed
  close(): Promise<void>
}

interface Held {
  readonly due: number
  readonly bytes: Buffer
}

/** Above so many bytes under way in one direction, its sender is paused. */
const MOST_HELD = 4_194_304

/**
 * Opens a link to a port of this machine. When either side dies, what it had sent and was still under way is dropped, as by a network.
 * @param o.target - port on 127.0.0.1
 * @param o.delayMs - of each direction, so that a round trip takes twice as long; 0 by default
 */
export function delayingProxy({ target, delayMs = 0 }: { target: number; delayMs?: number }): Promise<DelayingProxy> {
  let stalled = false
  const passed = { up: 0, down: 0 }
  const left = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY }
  const links = new Set<{ end(): void; wake(): void }>()
  const cut = (): void => {
    left.up = left.down = Number.POSITIVE_INFINITY
    for (const link of links) link.end()
  }

  const join = (near: Socket): void => {
    const far = dial(target, '127.0.0.1')
    const flows = [flow(near, far, 'up'), flow(far, near, 'down')]
    const link = {
      wake() {
        for (const { wake } of flows) wake()
      },
      end() {
        links.delete(link)
        for (const { end } of flows) end()
        near.destroy()
        far.destroy()
      },
    }
    links.add(link)
    for (const socket of [near, far]) socket.setNoDelay(true).on('end', link.end).on('close', link.end).on('error', link.end)
  }

  const flow = (from: Socket, to: Socket, direction: keyof Passed): { wake(): void; end(): void } => {
    const held: Held[] = []
    let bytesHeld = 0
    let timer: NodeJS.Timeout | undefined
    const wake = (): void => {
      clearTimeout(timer)
      if (stalled) {
        from.pause()
        return
      }
      while (held[0] !== undefined && held[0].due <= performance.now()) {
        const { bytes } = held.shift()!
        bytesHeld -= bytes.length
        const some = bytes.subarray(0, left[direction])
        left[direction] -= some.length
        passed[direction] += some.length
        to.write(some)
        if (left[direction] <= 0) {
          // What is allowed through must leave before the connection does.
          to.end(cut)
          return
        }
      }
      if (held[0] !== undefined) timer = setTimeout(wake, Math.max(1, held[0].due - performance.now()))
      if (bytesHeld < MOST_HELD) from.resume()
    }
    from.on('data', (bytes: Buffer) => {
      held.push({ due: performance.now() + delayMs, bytes })
      bytesHeld += bytes.length
      if (bytesHeld >= MOST_HELD) from.pause()
      wake()
    })
    return {
      wake,
      end() {
        clearTimeout(timer)
        held.length = 0
      },
    }
  }

  const server = createServer(join)
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as { port: number }).port,
        delay(ms) {
          delayMs = ms
        },
        stall() {
          stalled = true
          for (const link of links) link.wake()
        },
        resume() {
          stalled = false
          for (const link of links) link.wake()
        },
        cut,
        cutAfter(direction, bytes) {
          if (bytes <= 0) cut()
          else left[direction] = bytes
        },
        passed: () => ({ ...passed }),
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            cut()
          }),
      })
    })
  })
}
