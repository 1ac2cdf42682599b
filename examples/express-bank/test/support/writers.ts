/** Writers that never stop on their own, and what was acknowledged to them: only a 2xx that arrived whole counts. */
import type { Admin } from '../../demo/operator.js'
import { type Caller, createCaller, enrolInstance, pkce, portalCode } from './caller.js'
import { fingers, ok, type PhoneInHand, phoneInHand } from './phoneInHand.js'
import { sleep } from './world.js'

interface Bank {
  readonly issuer: string
  readonly api: string
  readonly folder: string
  readonly admin: Admin
}

export interface Acknowledged {
  readonly instances: Caller[]
  /** Each family's key and its newest refresh token. */
  readonly families: { readonly caller: Caller; token: string }[]
  readonly revoked: { readonly caller: Caller; readonly token: string }[]
  readonly published: string[]
  readonly phones: PhoneInHand[]
}

export const nothingYet = (): Acknowledged => ({ instances: [], families: [], revoked: [], published: [], phones: [] })

/** Each runs until the bank is gone. */
export function writers(bank: Bank, done: Acknowledged): (() => Promise<void>)[] {
  const { issuer, admin } = bank
  const portal = async (): Promise<{ caller: Caller; token: string }> => {
    const caller = await createCaller(issuer, 'portal')
    const { status, body } = await caller.redeem(await portalCode(issuer))
    if (status !== 200) throw new Error(`redeem ${status}`)
    return { caller, token: body.refresh_token }
  }
  return [
    async function setPin() {
      for (;;) {
        done.phones.push(await phoneInHand(bank, `phone-${done.phones.length}-${Math.random().toString(36).slice(2)}`))
        await sleep(300)
      }
    },
    async function enrol() {
      for (;;) {
        const { answer, caller } = await enrolInstance(issuer)
        if (answer.status !== 201) throw new Error(`enrol ${answer.status}`)
        done.instances.push(caller)
      }
    },
    ...[1, 2, 3].map(() => async () => {
      const family = await portal()
      done.families.push(family)
      for (;;) {
        const { status, body } = await family.caller.refresh(family.token)
        if (status !== 200) throw new Error(`refresh ${status} ${body.error}`)
        family.token = body.refresh_token
      }
    }),
    async function revoke() {
      for (;;) {
        const { caller, token } = await portal()
        const { status } = await caller.post('/revoke', { client_id: 'portal', token })
        if (status !== 200) throw new Error(`revoke ${status}`)
        done.revoked.push({ caller, token })
        // A login is the bank's own scrypt: without a pause nobody else has a turn.
        await sleep(150)
      }
    },
    async function publish() {
      for (let round = 0; ; round++) {
        const head = await admin('GET', '/v1/policies/main')
        const { version, document } = await head.json()
        const rules = document.rules.filter(({ id }: { id: string }) => id !== 'round')
        const when = { action: 'resource.call', 'resource.type': `nothing-${round}-${Math.random().toString(36).slice(2)}` }
        const rule = { id: 'round', mode: 'enforce', effect: 'deny', reason: 'policy.denied', when }
        const draft = await admin('POST', '/v1/policies/main/versions', { ...document, parent: version, rules: [...rules, rule] })
        const made = await draft.json()
        const moved = await admin(
          'POST',
          '/v1/policies/main/publish',
          { version: made.version },
          { 'if-match': head.headers.get('etag')! },
        )
        if (moved.status !== 200) throw new Error(`publish ${moved.status} ${await moved.text()} ${JSON.stringify(made)}`)
        await moved.text()
        done.published.push(made.version)
      }
    },
  ]
}

/** Everything acknowledged that is not there, in words. */
export async function missing(bank: Bank, done: Acknowledged): Promise<string[]> {
  const lost: string[] = []
  const user = { user: 'bob', password: 'battery staple' }
  const { challenge } = await pkce()
  for (const { clientId, post } of done.instances) {
    const begun = { client_id: clientId, data: user, code_challenge: challenge, code_challenge_method: 'S256' }
    const { status, body } = await post('/registrations/letter/complete', { json: begun })
    if (status !== 200) lost.push(`instance ${clientId}: ${status} ${body.error ?? body.code}`)
  }
  for (const family of done.families) {
    const { status, body } = await family.caller.refresh(family.token)
    if (status === 200) family.token = body.refresh_token
    else lost.push(`refresh token: ${status} ${body.error}`)
  }
  for (const { caller, token } of done.revoked) {
    const { status, body } = await caller.refresh(token)
    if (body.error !== 'invalid_grant') lost.push(`revocation: ${status} ${body.error}`)
  }
  const { versions } = await (await bank.admin('GET', '/v1/policies/main/versions')).json()
  const kept = new Set(versions.map(({ version }: { version: string }) => version))
  for (const version of done.published) if (!kept.has(version)) lost.push(`policy ${version}`)
  for (const { client, profile } of done.phones) {
    const login = await client.login(profile, fingers())
    if (!login.ok) lost.push(`PIN: ${login.error.code}`)
    else ok(await client.logout())
  }
  return lost
}
