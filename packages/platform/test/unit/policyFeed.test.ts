import { utf8 } from '@postern/core/bytes'
import { policyFeed } from '@postern/platform/policyFeed'
import { describe, expect, it } from 'vitest'
import { ISSUER } from '../support/bank.js'
import { createStaffed } from '../support/operators.js'

async function fed(over: { maxAgeMs?: number; maxStaleMs?: number } = {}) {
  const staff = await createStaffed()
  const statuses: number[] = []
  let change: (answer: Response) => Promise<Response> = async (answer) => answer
  const feed = policyFeed({
    url: `${ISSUER}/admin/v1/policies/main`,
    token: () => staff.token(),
    fetch: async (input, init) => {
      const answer = await change(await staff.bank.platform.fetch(new Request(input, { ...init, redirect: 'follow' })))
      statuses.push(answer.status)
      return answer
    },
    crypto: staff.bank.ports.crypto,
    clock: staff.bank.ports.clock,
    ...over,
  })
  return { ...staff, feed, statuses, lie: (how: typeof change) => void (change = how) }
}

const away = async (): Promise<Response> => new Response(null, { status: 503 })

describe('a policy fed to another process', () => {
  it('is asked for once in its age, by however many calls, and again with 304', async () => {
    const { bank, feed, statuses } = await fed()
    const [first, ...others] = await Promise.all(Array.from({ length: 10 }, feed))
    expect(new Set(others)).toEqual(new Set([first]))
    expect(statuses).toEqual([200])
    bank.clock.advance(1_000)
    expect(await feed()).toBe(first)
    expect(statuses).toEqual([200, 304])
  })

  it('serves what it holds while the source is away, asks once in its age, and refuses when too old', async () => {
    const { bank, feed, statuses, lie } = await fed({ maxStaleMs: 10_000 })
    const held = await feed()
    lie(away)
    bank.clock.advance(2_000)
    for (let i = 0; i < 5; i++) expect(await feed()).toBe(held)
    expect(statuses).toEqual([200, 503])
    bank.clock.advance(8_000)
    await expect(feed()).rejects.toMatchObject({ code: 'policy.version_unknown' })
    bank.clock.advance(500)
    await expect(feed()).rejects.toMatchObject({ code: 'policy.version_unknown' })
    lie(async (answer) => answer)
    bank.clock.advance(1_000)
    expect((await feed()).version).toBe(held.version)
  })

  it.each([
    [
      'a document that was changed',
      (body: Record<string, unknown>) => ({ ...body, document: { ...(body['document'] as object), zone: 'Europe/Berlin' } }),
    ],
    ['another version', (body: Record<string, unknown>) => ({ ...body, version: `sha256:${'A'.repeat(43)}` })],
    ['no version', ({ version: _, ...body }: Record<string, unknown>) => body],
    ['no document', ({ document: _, ...body }: Record<string, unknown>) => body],
  ])('refuses %s, and keeps what it had', async (_, forge) => {
    const { bank, feed, lie } = await fed()
    const forged = async (answer: Response) =>
      answer.status === 200 ? Response.json(forge((await answer.json()) as Record<string, unknown>)) : answer
    lie(forged)
    await expect(feed()).rejects.toMatchObject({ code: 'policy.version_unknown' })
    lie(async (answer) => answer)
    bank.clock.advance(1_000)
    const held = await feed()
    // Asked without the version it has, as after a publication.
    lie(async (answer) => forged(answer.status === 304 ? Response.json({ version: 'x', document: {} }) : answer))
    bank.clock.advance(1_000)
    expect(await feed()).toBe(held)
  })

  it('refuses a body without end', async () => {
    const { feed, lie } = await fed()
    let pulled = 0
    lie(
      async () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              pulled += 1_048_576
              controller.enqueue(utf8(' '.repeat(1_048_576)))
            },
          }),
        ),
    )
    await expect(feed()).rejects.toMatchObject({ code: 'policy.version_unknown' })
    expect(pulled).toBeLessThan(12 * 1_048_576)
  })
})
