/// <reference types="node" />
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** The cluster bus of Redis listens so far above the port of a node. */
const BUS = 10_000

/** A port that nobody listens on, nor on the bus port above it. Both are below those that the system hands out by itself. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_200, 22_000)
    if ((await free(port)) && (await free(port + BUS))) return port
  }
}

function free(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Starts on one free port after another: between looking and listening another may have taken it. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let left = 5; ; left--) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (left === 0 || !/address already in use/i.test(String(error))) throw error
    }
  }
}
