import { slowStore } from '@postern/testkit/latency'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serve } from '../peers/server.js'
import { type Device, ISSUER, VERIFIER, type World, world } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

describe.each([0, 2, 10])('over HTTP with %i ms a store call, two servers', (ms) => {
  let w: World
  let device: Device
  let servers: Awaited<ReturnType<typeof serve>>[]
  beforeEach(async () => {
    w = await world({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
    device = await w.device()
    servers = await Promise.all(w.nodes.map((node) => serve(node.fetch)))
  })
  afterEach(async () => {
    for (const server of servers) await server.close()
  })

  /** Each over a connection of its own, every second one to the other server. */
  async function fifty(form: Record<string, string>) {
    // Proofs first: what races is the requests.
    const proofs = await Promise.all(Array.from({ length: 50 }, () => device.proof(`${ISSUER}/token`)))
    return Promise.all(
      proofs.map(async (dpop, i) => {
        const body = new URLSearchParams({ client_id: device.id, ...form })
        const reply = await fetch(`http://localhost:${servers[i % 2]!.port}/t1/token`, {
          method: 'POST',
          body,
          headers: { dpop },
        })
        return { status: reply.status, body: (await reply.json()) as Record<string, string> }
      }),
    )
  }

  it('T02 50 redemptions of a code: exactly one 200, and its family is revoked', async () => {
    const code = await w.code(device.id)
    const answers = await fifty({ grant_type: 'authorization_code', code, code_verifier: VERIFIER })
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(new Set(answers.map(({ body }) => body.error))).toEqual(new Set([undefined, 'invalid_grant']))
    expect((await w.introspect(won[0]!.body.access_token!)).body).toEqual({ active: false })
  })

  it('F67 T16 50 refreshes with one token: 50 answers, one successor', async () => {
    const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
    const answers = await fifty({ grant_type: 'refresh_token', refresh_token })
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    const [successor, ...others] = new Set(answers.map(({ body }) => body.refresh_token!))
    expect([others, successor === refresh_token]).toEqual([[], false])
    expect((await w.refresh(device, successor!)).status).toBe(200)
  })
})
