import { hex } from '@postern/core/bytes'
import { systemPorts } from '@postern/core/systemRuntime'
import { expect, it } from 'vitest'

it('draws as many bytes as asked for, across blocks, and none of them twice', () => {
  const { random } = systemPorts()
  const sizes = [0, 1, 16, 24, 256, 257, 4096, 70_000]
  for (const n of sizes) expect(random(n)).toHaveLength(n)
  const drawn = Array.from({ length: 2000 }, () => hex(random(16)))
  expect(new Set(drawn).size).toBe(drawn.length)
  expect(drawn.join('')).not.toMatch(/0{20}/)
})

it('hands out arrays of their own', () => {
  const { random } = systemPorts()
  const first = random(16)
  expect(first.buffer.byteLength).toBe(16)
  first.fill(0)
  expect(random(16)).not.toEqual(new Uint8Array(16))
})

it('a length that is none does not bring bytes back that were handed out', () => {
  const { random } = systemPorts()
  random(64)
  expect(() => random(-32)).toThrow(RangeError)
  expect(random(16)).not.toEqual(new Uint8Array(16))
})
