// @ts-check
// The bank's account API: it verifies, opens and decides; it knows no user, no session and no login page.
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { openKemRing } from '@postern/payload/keys'
import { storeReplayGuard } from '@postern/payload/replay'
import { createPayloadServer } from '@postern/payload/server'
import { localSessions } from '@postern/payload/session'
import { createGateway } from '@postern/platform/gateway'
import { policyFeed } from '@postern/platform/policyFeed'
import { bindSessions } from '@postern/platform/sessionBinding'
import { memoryStore } from '@postern/store/memory'
import { nodeNonces } from '@postern/tokens/dpop'
import { remoteKeys } from '@postern/tokens/remoteKeys'

/** What this API needs to know of the world. @typedef {{ origin: string, issuer: string, root: JsonWebKey, kemRing: import('@postern/payload/keys').KemRingDocument, acr: string[], operatorToken: string }} Settings */

/** @param {Settings} settings @returns {Promise<(request: Request) => Promise<Response>>} */
export async function createAccountApi({ origin, issuer, root, kemRing, acr, operatorToken }) {
  const runtime = { ...systemPorts(), store: memoryStore() }
  const { clock, random, fetch } = runtime
  const crypto = createCrypto()
  const keys = remoteKeys({ url: `${issuer}/jwks`, fetch, crypto, clock })
  await keys.refresh()

  /** @type {import('@postern/tokens/resource').VerifierOptions} */
  const verifier = {
    issuer,
    audience: origin,
    origin,
    keys,
    clock,
    crypto,
    nonces: nodeNonces({ random, crypto, clock }),
    acrOrder: acr,
    replay: { mode: 'node' },
  }
  const gateway = createGateway({
    runtime,
    acr,
    policy: policyFeed({ url: `${issuer}/admin/v1/policies/main`, token: () => operatorToken, fetch, crypto, clock }),
    verifier,
    payload: createPayloadServer({
      runtime,
      tenant: 'bank',
      origin,
      ring: await openKemRing(kemRing, crypto),
      root: await crypto.signer('Ed25519', root),
      replay: storeReplayGuard({ store: runtime.store, tenant: 'bank', clock, random }),
      // One key agreement, then a handful of HMACs a call. Behind several nodes: `sharedSessions`, or route by the session's first two bytes.
      sessions: localSessions({ clock, random, crypto }),
      // A session is the phone's that opened it.
      bind: bindSessions(verifier),
    }),
    routes: [
      {
        match: /^\/accounts$/,
        methods: ['GET'],
        resource: 'accounts',
        scope: ['accounts'],
        sealed: 'required',
        handle: accounts,
      },
      {
        match: /^\/transfers$/,
        methods: ['POST'],
        resource: 'transfers',
        scope: ['payments'],
        sealed: 'required',
        transaction: amountOf,
        handle: transfer,
      },
    ],
  })
  return async (request) => {
    const answer = await gateway(request)
    void keys.refresh()
    return answer
  }
}

/** Balances in euro cents, by customer number. */
const balances = new Map([
  ['c-1001', 1_234_567],
  ['c-1002', 98_700],
])

/** @type {import('@postern/platform/gateway').Route['handle']} */
async function accounts(_request, { verified }) {
  return Response.json({
    accounts: [
      {
        iban: `NL00BANK${verified.subject.slice(2).padStart(10, '0')}`,
        balance: balances.get(verified.subject) ?? 0,
        currency: 'EUR',
      },
    ],
  })
}

/** @type {import('@postern/platform/gateway').Route['handle']} */
async function transfer(request, { verified }) {
  const { amount, to } = await request.json()
  balances.set(verified.subject, (balances.get(verified.subject) ?? 0) - amount)
  return Response.json({ done: true, amount, to, balance: balances.get(verified.subject) }, { status: 201 })
}

/** What policy is told of a transfer. A body that nobody can read leaves the amount missing, and missing is worst. @param {Request} request */
async function amountOf(request) {
  const body = await request.json().catch(() => null)
  return Number.isSafeInteger(body?.amount)
    ? { 'transaction.amount': body.amount, 'transaction.currency': 'EUR', 'transaction.type': 'transfer' }
    : {}
}
