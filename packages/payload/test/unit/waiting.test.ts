/// <reference types="node" />
import { describe, expect, it } from 'vitest'
import { loaded, unlessAborted, unlessStopped } from '../../src/internal/waiting.js'
import { codeOf } from '../codeOf.js'

const reason = new Error('enough')
const never = new Promise<never>(() => undefined)

describe('waiting', () => {
  it('for a part of the client that does not load fails with a code of its own', async () => {
    expect(await loaded(Promise.resolve(7))).toBe(7)
    expect(await codeOf(() => loaded(Promise.reject(new TypeError('Failed to fetch dynamically imported module'))))).toBe(
      'payload.transport',
    )
  })

  it('ends with the signal, before it and after it', async () => {
    expect(await unlessAborted(Promise.resolve(7), new AbortController().signal)).toBe(7)
    await expect(unlessAborted(never, AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const waiting = unlessAborted(never, controller.signal)
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  it('that was given up leaves no failure that nobody hears of', async () => {
    const unheard: unknown[] = []
    const hear = (error: unknown): void => void unheard.push(error)
    process.on('unhandledRejection', hear)
    try {
      const later = new Promise<never>((_, reject) => setImmediate(() => reject(new Error('later'))))
      await expect((async () => unlessAborted(later, AbortSignal.abort(reason)))()).rejects.toBe(reason)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', hear)
    }
  })

  it('for what can be stopped tells it so, and ends with the reason whatever it gives', async () => {
    const told: unknown[] = []
    const stop = (why: unknown): void => void told.push(why)
    expect(await unlessStopped(new AbortController().signal, stop, async () => 7)).toBe(7)
    await expect(unlessStopped(AbortSignal.abort(reason), stop, async () => 7)).rejects.toBe(reason)
    const controller = new AbortController()
    const stopped = unlessStopped(controller.signal, stop, async () => {
      controller.abort(reason)
      throw new Error('of its own')
    })
    await expect(stopped).rejects.toBe(reason)
    expect(told).toEqual([reason, reason])
  })
})
