/// <reference types="node" />
/** What a phone sees of a bank that dies: its calls over IPC, and `killed` for those that no answer comes to. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Purpose } from '@postern/authenticators/authenticator'
import type { PinExchange } from '@postern/authenticators/pin/client'
import { bundle } from '../../../testkit/test/bundle.js'
import { createWorld, type Device } from '../world.js'

/** The bank kills itself at a commit, counted from now: not sent, on its way, or durable and unanswered. */
export interface Death {
  readonly commit: number
  readonly when: 'before' | 'during' | 'after'
}

export const deaths: readonly Death['when'][] = ['before', 'during', 'after']

export interface Asked {
  readonly id: number
  readonly call: 'arm' | 'device' | 'confirm' | 'read' | 'begin' | 'finish'
  readonly device: Pick<Device, 'id' | 'tenant' | 'jwk'>
  readonly purpose: Purpose
  readonly enrolment: string | null
  readonly handle: string | null
  readonly step: unknown
}

export interface Bank {
  arm(death: Death): Promise<void>
  device(d: Device): Promise<void>
  confirm(d: Device, enrolment: string): Promise<void>
  /** The counts of records. */
  read(d: Device, ...keys: string[]): Promise<readonly (number | null)[]>
  exchange(d: Device, purpose: Purpose, enrolment: string | null): PinExchange
  /** Settles when the process is gone. */
  readonly gone: Promise<void>
  kill(): Promise<void>
}

/** Builds the bank once, with a folder of its own for what it keeps. */
export async function bankFolder(): Promise<{
  at(file: string): string
  open(o: { kind: string; where: string; life: number; attempts: number }): Promise<Bank>
  remove(): void
}> {
  const { folder, script, remove } = await bundle(new URL('./pinServer.ts', import.meta.url))
  return { at: (file) => join(folder, file), open: (o) => openBank(script, o), remove }
}

/** A phone's key, known to no bank until it is told. */
export async function phone(id: string): Promise<Device> {
  return createWorld().device(id)
}

async function openBank(
  script: string,
  { kind, where, life, attempts }: { kind: string; where: string; life: number; attempts: number },
): Promise<Bank> {
  const child = fork(script, [kind, where, `${life}`, `${attempts}`], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const waiting = new Map<number, { resolve(value: never): void; reject(error: unknown): void }>()
  let errors = ''
  let sent = 0
  let dead = false
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const gone = new Promise<void>((over) =>
    child.on('close', () => {
      dead = true
      for (const { reject } of waiting.values()) reject(killed())
      over()
    }),
  )
  await new Promise<void>((ready, failed) => {
    child.once('message', () => ready())
    void gone.then(() => failed(new Error(`the bank did not open: ${errors}`)))
  })
  child.on('message', ({ id, value, code }: { id: number; value?: unknown; code?: string }) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (code === undefined) call?.resolve(value as never)
    else call?.reject(Object.assign(new Error(code), { code }))
  })

  function ask<T>(call: Asked['call'], d: Device | null, o: Partial<Asked> = {}): Promise<T> {
    const { purpose = 'login', enrolment = null, handle = null, step = null } = o
    const device = d === null ? (null as never) : { id: d.id, tenant: d.tenant, jwk: d.jwk }
    return new Promise((resolve, reject) => {
      if (dead) return reject(killed())
      const id = ++sent
      waiting.set(id, { resolve, reject })
      child.send({ id, call, device, purpose, enrolment, handle, step } satisfies Asked, () => {})
    })
  }

  return {
    gone,
    arm: (death) => ask('arm', null, { step: death }),
    device: async (d) => void (await ask('device', d)),
    confirm: (d, enrolment) => ask('confirm', d, { enrolment }),
    read: (d, ...keys) => ask('read', d, { step: keys }),
    exchange: (d, purpose, enrolment) => ({
      begin: (handle, step) => ask('begin', d, { purpose, enrolment, handle, step }),
      finish: (handle, step) => ask('finish', d, { purpose, enrolment, handle, step }),
    }),
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

const killed = () => Object.assign(new Error('killed'), { code: 'killed' })
