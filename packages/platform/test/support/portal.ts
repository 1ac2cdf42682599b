/// <reference types="node" />
/** A portal that asks for confirmations, and the phone's answers by hand: what an app does with `transaction/client`. */
import { createHash } from 'node:crypto'
import { type Choice, openTransaction, prepareDecision, signScan } from '@postern/authenticators/transaction/client'
import type { PlatformOptions } from '@postern/platform'
import { type Answer, type Bank, crypto, ISSUER, type Phone, type PhoneKey } from './bank.js'

const SECRET = 'portal-secret-portal-secret-portal-secret'
const secretHashes = [createHash('sha256').update(SECRET).digest('base64url')]
type ClientConfig = NonNullable<PlatformOptions['clients']>[number]

function portalClient(id: string): ClientConfig {
  return {
    id,
    name: `The ${id}`,
    auth: { method: 'client_secret_basic', secretHashes },
    grantTypes: ['client_credentials'],
    scope: ['mobile-auth'],
    resources: [ISSUER],
  }
}

/** What a bank with two portals has beside the rest. */
export const withPortals: Pick<PlatformOptions, 'clients'> = { clients: [portalClient('portal'), portalClient('other')] }

export const transfer: Readonly<Record<string, unknown>> = {
  app: 'retail',
  kind: 'transfer',
  display: [{ label: 'To', value: 'Ada' }],
  amount: { value: '12.50', currency: 'EUR' },
}

export interface Portal {
  call(method: string, path: string, json?: object): Promise<Answer>
  /** Asks this user, and gives back what the portal shows. */
  ask(over?: object): Promise<{ id: string; number: string; tx: string }>
}

export async function portalOf(bank: Bank, id = 'portal'): Promise<Portal> {
  const basic = `Basic ${Buffer.from(`${id}:${SECRET}`).toString('base64')}`
  const asked = await bank.call('/token', {
    method: 'POST',
    headers: { authorization: basic, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'mobile-auth', resource: ISSUER }).toString(),
  })
  const { access_token } = (await asked.json()) as { access_token: string }
  const portal: Portal = {
    async call(method, path, body) {
      const headers: Record<string, string> = { authorization: `Bearer ${access_token}` }
      if (body !== undefined) headers['content-type'] = 'application/json'
      const answer = await bank.call(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      const text = await answer.text()
      return { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
    },
    async ask(over = {}) {
      const made = await portal.call('POST', '/transactions', { login_hint: 'c-1001', ...transfer, ...over })
      if (made.status !== 201) throw new Error(`${made.status} ${JSON.stringify(made.body)}`)
      const { id: at, number } = made.body as { id: string; number: string }
      return { id: at, number, tx: at.split('.')[1]! }
    },
  }
  return portal
}

/** What a phone does with what waits. */
export interface Confirming {
  list(): Promise<readonly { id: string; transaction: string; choices: { id: string; type: string }[] }[]>
  /** The answer to a transaction, signed by the key given, or by the device. */
  answer(tx: { id: string; transaction: string }, choice: Partial<Choice>, key?: PhoneKey): Promise<object>
  decide(id: string, answer: object, more?: object): Promise<Answer>
  begin(id: string, answer: object, more?: object): Promise<Answer>
  scan(text: string, enrolment: string): Promise<Answer>
}

export function confirmingOf(phone: Phone, profile: string): Confirming {
  const about = { client_id: phone.clientId, profile }
  const options = { issuer: ISSUER, tenant: 'bank', app: 'retail', crypto, clientName: (id: string) => `The ${id}` }
  return {
    async list() {
      const { status, body } = await phone.get(`/transactions?${new URLSearchParams(about)}`)
      if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
      return body['transactions'] as never
    },
    async answer({ transaction }, over, key) {
      const opened = await openTransaction(transaction, options)
      const choice: Choice = {
        device: phone.clientId,
        enrolment: key?.id ?? '',
        type: 'device',
        decision: 'approve',
        number: '',
        ...over,
      }
      const { statement, answer } = await prepareDecision(opened, choice, crypto)
      const signs = choice.type !== 'pin'
      return answer(signs ? await (key?.signer ?? phone.device).sign(statement) : undefined)
    },
    decide: (id, answer, more = {}) => phone.send('POST', `/transactions/${id}`, { ...about, answer, ...more }),
    begin: (id, answer, more = {}) => phone.send('POST', `/transactions/${id}/begin`, { ...about, answer, ...more }),
    async scan(text, enrolment) {
      const sign = (data: Uint8Array) => phone.device.sign(data)
      const scanned = await signScan(text, { issuer: ISSUER, device: phone.clientId, enrolment, sign })
      return phone.send('POST', '/transactions/scan', { client_id: phone.clientId, ...scanned })
    },
  }
}
