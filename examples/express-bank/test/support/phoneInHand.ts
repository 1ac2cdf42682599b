/// <reference types="node" />
/** A phone whose next code is caught on its way, and whose device key is in the attacker's hand. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '@postern/client'
import type { Prompts } from '@postern/client/prompts'
import type { Result } from '@postern/client/result'
import type { PosternError } from '@postern/core/errors'
import type { Fetch } from '@postern/core/runtime'
import { createPhone } from '../../demo/phone.js'
import { type Caller, type Code, createCaller } from './caller.js'
import type { World } from './world.js'

export const PIN = '27184'
export const fingers = (pin = PIN): Prompts => ({ pin: async () => pin, newPin: async () => pin })

export function ok<T, C extends PosternError['code']>(result: Result<T, C>): T {
  if (!result.ok) throw result.error
  return result.value
}

export interface PhoneInHand {
  readonly client: Client
  readonly profile: string
  /** Speaks for the phone, by its key. */
  readonly caller: Caller
  /** Logs in by PIN; the code never gets to the token endpoint. */
  catchCode(): Promise<Code>
}

/** A phone that has enrolled and set a PIN. */
export async function phoneInHand(world: Pick<World, 'issuer' | 'api' | 'folder'>, name: string): Promise<PhoneInHand> {
  let clientId = ''
  let caught: Code | null = null
  let catching = false
  const fetchAndLook: Fetch = async (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    if (catching && url.endsWith('/token')) {
      const form = Object.fromEntries(new URLSearchParams(String(init?.body)))
      caught = { code: form['code']!, code_verifier: form['code_verifier']!, ...uriOf(form) }
      throw new TypeError('caught')
    }
    const answer = await fetch(input, init)
    if (url.endsWith('/register') && answer.status === 201) clientId = (await answer.clone().json()).client_id
    return answer
  }
  const folder = join(world.folder, name)
  const { issuer, api } = world
  const phone = createPhone({ issuer, api, keyRoots: [], folder, prompts: fingers(), fetch: fetchAndLook })
  ok(await phone.start())
  const { profile } = ok(await phone.register({ custom: 'letter', data: { user: 'anna', password: 'correct horse' } }, fingers()))
  const [file] = readdirSync(join(folder, 'keys'))
  const { jwk } = JSON.parse(readFileSync(join(folder, 'keys', file!), 'utf8'))
  return {
    client: phone,
    profile: String(profile),
    caller: await createCaller(world.issuer, clientId, jwk),
    async catchCode() {
      catching = true
      await phone.login(String(profile), fingers())
      catching = false
      if (caught === null) throw new Error('no code was sent')
      const code = caught
      caught = null
      return code
    },
  }
}

const uriOf = ({ redirect_uri }: Record<string, string>): { redirect_uri?: string } =>
  redirect_uri === undefined ? {} : { redirect_uri }
