/// <reference types="node" />
/** A change of PIN is six commits. Whichever the bank dies at, before, during or after it, exactly one PIN works, and the phone finds out which. */
import { changePin, enrolPin, loginPin, type PinSlot } from '@postern/authenticators/pin/client'
import { utf8 } from '@postern/core/bytes'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf, createWorld, type Device } from '../world.js'
import { type Bank, bankFolder, deaths, phone } from './pinBank.js'

const commits = 6
const attempts = 10
const w = createWorld()
let folder: Awaited<ReturnType<typeof bankFolder>>
let server: PostgresServer | undefined
let phones = 0
let lives = 0

beforeAll(async () => {
  folder = await bankFolder()
})
afterAll(async () => {
  await server?.stop()
  folder.remove()
})

const login = (bank: Bank, d: Device, slots: readonly PinSlot[], digits: string) =>
  loginPin({
    ...w.client(d),
    exchange: bank.exchange(d, 'login', slots[0]!.enrolment),
    pin: utf8(digits),
    slots,
    purpose: 'login',
  })

describe.each([
  ['SQLite', false],
  ['PostgreSQL', !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all'],
] as const)('%s', (kind, lacking) => {
  const where = async () => {
    if (kind === 'SQLite') return folder.at('change.db')
    server ??= await startPostgres()
    return server.url
  }
  const open = async () => folder.open({ kind, where: await where(), attempts, life: ++lives })
  // The one that a case leaves behind is the next one's.
  let bank: Bank | undefined
  afterAll(() => bank?.kill())

  it
    .skipIf(lacking)
    .each(Array.from({ length: commits }, (_, i) => i + 1).flatMap((commit) => deaths.map((when) => ({ commit, when }))))(
    'change PIN, kill -9 $when commit $commit: exactly one PIN works afterwards, and the client finds out which',
    { timeout: 300_000 },
    async (death) => {
      const d = await phone(`d${++phones}`)
      bank ??= await open()
      await bank.device(d)
      const { slot } = await enrolPin({ ...w.client(d), exchange: bank.exchange(d, 'enrol', null), pin: utf8('27182') })
      await bank.confirm(d, slot.enrolment)
      const slots = [slot]
      await bank.arm(death)
      const changing = changePin({
        ...w.client(d),
        exchange: bank.exchange(d, 'change', slot.enrolment),
        pin: utf8('27182'),
        newPin: utf8('31415'),
        slots: [slot],
        keep: async (next) => void slots.push(next),
      })
      expect(await codeOf(changing)).toBe('killed')
      await bank.gone

      const next = await open()
      bank = next
      const [old, fresh] = [await login(next, d, slots, '27182').catch(codes), await login(next, d, slots, '31415').catch(codes)]
      const [works, fails, g] = typeof old === 'string' ? [fresh, old, 2] : [old, fresh, 1]
      expect(typeof works, `${String(works)} and ${String(fails)}`).toBe('object')
      expect(fails).toBe('pin.wrong')
      // Only the last commit swaps; on its way it may have arrived or not.
      if (g === 2) expect(death).toMatchObject({ commit: commits, when: expect.stringMatching(/during|after/) })
      else expect(death).not.toMatchObject({ commit: commits, when: 'after' })
      // The slot that lives is the one the server's generation named, among both.
      const { slot: living, result } = works as { slot: PinSlot; result: { generation: number } }
      expect([living.generation, result.generation]).toEqual([g, g])
      if (death.when !== 'after') return
      const again = await changePin({
        ...w.client(d),
        exchange: next.exchange(d, 'change', living.enrolment),
        pin: utf8(g === 2 ? '31415' : '27182'),
        newPin: utf8('16180'),
        slots,
        keep: async () => {},
      })
      expect(again.slot.generation).toBe(g + 1)
    },
  )
})

function codes(error: { code?: string }): string {
  return error.code ?? String(error)
}
