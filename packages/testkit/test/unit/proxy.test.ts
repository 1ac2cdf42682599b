/// <reference types="node" />
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DelayingProxy, delayingProxy } from '@postern/testkit/proxy'
import { expect, it, onTestFinished } from 'vitest'

/** An echo behind a link; `served` are the target's ends of the connections. */
async function echo(delayMs = 0): Promise<{ link: DelayingProxy; served: Socket[] }> {
  const served: Socket[] = []
  const server = createServer((socket) => {
    served.push(socket)
    socket.on('error', () => {}).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const link = await delayingProxy({ target: (server.address() as { port: number }).port, delayMs })
  onTestFinished(async () => {
    await link.close()
    server.close()
  })
  return { link, served }
}

/** A client that keeps what it heard. */
function dial({ port }: DelayingProxy) {
  const socket = connect(port, '127.0.0.1')
  const client = { socket, heard: '', ended: false }
  socket
    .on('error', () => {})
    .on('data', (bytes) => {
      client.heard += bytes.toString('latin1')
    })
    .on('close', () => {
      client.ended = true
    })
  return client
}

it('each direction takes the delay, and a changed delay is in force for what comes next', async () => {
  const { link } = await echo(300)
  const client = dial(link)
  const began = performance.now()
  client.socket.write('one')
  await expect.poll(() => client.heard, { interval: 1 }).toBe('one')
  expect(performance.now() - began).toBeGreaterThanOrEqual(599)
  link.delay(0)
  const again = performance.now()
  client.socket.write('two')
  await expect.poll(() => client.heard, { interval: 1 }).toBe('onetwo')
  expect(performance.now() - again).toBeLessThan(300)
  expect(link.passed()).toEqual({ up: 6, down: 6 })
})

it('megabytes come through whole and in order', async () => {
  const { link } = await echo(5)
  const client = dial(link)
  const sent = Array.from({ length: 300_000 }, (_, i) => `${i % 1_000_000}`.padStart(6, '0')).join('.')
  client.socket.write(sent)
  await expect.poll(() => client.heard.length, { timeout: 10_000 }).toBe(sent.length)
  expect(client.heard === sent).toBe(true)
})

it('what the target had sent and was still under way when it died never arrives', async () => {
  const { link, served } = await echo(50)
  const client = dial(link)
  await expect.poll(() => served.length).toBe(1)
  served[0]!.write('acknowledged?')
  await sleep(10)
  served[0]!.destroy()
  await expect.poll(() => client.ended).toBe(true)
  await sleep(100)
  expect(client.heard).toBe('')
})

it('a stalled link keeps connections open and moves nothing until it resumes', async () => {
  const { link } = await echo()
  const client = dial(link)
  link.stall()
  client.socket.write('patience')
  await sleep(60)
  expect([client.heard, client.ended]).toEqual(['', false])
  link.resume()
  await expect.poll(() => client.heard).toBe('patience')
})

it('a cut ends every connection, and the next one is served', async () => {
  const { link } = await echo()
  const clients = [dial(link), dial(link)]
  await expect.poll(() => clients.every(({ socket }) => socket.writable && !socket.connecting)).toBe(true)
  link.cut()
  await expect.poll(() => clients.map(({ ended }) => ended)).toEqual([true, true])
  const next = dial(link)
  next.socket.write('again')
  await expect.poll(() => next.heard).toBe('again')
})

it.each<['up' | 'down', number, string]>([
  ['up', 0, ''],
  ['up', 4, 'four'],
  ['down', 3, 'fou'],
])('cut after bytes %s, %i of them: the client hears "%s" at most', async (direction, bytes, most) => {
  const { link, served } = await echo()
  const client = dial(link)
  await expect.poll(() => served.length).toBe(1)
  let arrived = ''
  served[0]!.on('data', (some: Buffer) => {
    arrived += some.toString('latin1')
  })
  link.cutAfter(direction, bytes)
  client.socket.write('fourscore')
  await expect.poll(() => client.ended).toBe(true)
  if (direction === 'up') expect(arrived).toBe(most)
  else expect(client.heard).toBe(most)
  const next = dial(link)
  next.socket.write('again')
  await expect.poll(() => next.heard).toBe('again')
})
