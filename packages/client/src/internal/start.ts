/** An installation becomes a client of the server: device key, challenge, evidence, registration; an update after the app or system changed. */
import { appChallenge, keyChallenge } from '@postern/attestation/binding'
import type { Evidence } from '@postern/attestation/evidence'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { isPosternError, PosternError } from '@postern/core/errors'
import { thumbprint } from '@postern/core/jwk'
import type { Started } from '../client.js'
import type { Kit } from './kit.js'
import { type Call, type Reply, refusal, textOf } from './net.js'
import type { Operation } from './operation.js'
import { visible } from './profiles.js'
import { guarded, type InstanceState, type PendingInstance } from './state.js'
import { tellAll } from './untold.js'

/** `start`: everything it stores is stored before or after the one call that counts, so that it can be cancelled and repeated anywhere. */
export async function start(kit: Kit, op: Operation): Promise<Started> {
  checkConfig(kit)
  const { instance } = await op.wait(kit.state.read())
  await tellAll(kit, op).catch((error: unknown) => {
    if (isPosternError(error, 'client.cancelled')) throw error
  })
  const reported = await reportOf(kit)
  if (instance === null) return started(kit, await register(kit, op), 'registered')
  if (instance.reported === reported) return started(kit, instance, 'known')
  return started(kit, await update(kit, instance, op), 'updated')
}

async function started(kit: Kit, { clientId }: InstanceState, instance: Started['instance']): Promise<Started> {
  return { clientId, instance, profiles: visible(await kit.state.read()) }
}

/** RFC 7591. An answer that was lost is asked for again, with the same challenge and key, now and at the next start. */
async function register(kit: Kit, op: Operation): Promise<InstanceState> {
  for (let round = 0; ; round++) {
    const { pending: waiting } = await op.wait(kit.state.read())
    const pending = waiting ?? (await prepare(kit, op))
    const { challenge, nonce, keyId, publicKey, keyEvidence } = pending
    const evidence = await collect(kit, { purpose: 'register', nonce, publicKey }, keyEvidence, op)
    const json = { ...(await metadata(kit)), jwks: { keys: [publicKey] }, challenge, evidence }
    const reply = await resend(kit, { method: 'POST', path: '/register', key: pending, nonce, json }, op)
    if (reply.status === 201) {
      const instance: InstanceState = {
        clientId: textOf(reply.body, 'client_id'),
        keyId,
        publicKey,
        registrationToken: textOf(reply.body, 'registration_access_token'),
        reported: await reportOf(kit),
      }
      await kit.state.update((state) => ({ ...state, instance, pending: null }))
      return instance
    }
    const error = refusal(reply)
    await forget(kit, pending)
    // The challenge of an earlier start had lapsed; with a new one the answer may be another.
    if (waiting !== null && round === 0) continue
    throw error
  }
}

/** RFC 7592 §2.2. The registration token before the current one is good as well, so a lost answer costs nothing. */
async function update(kit: Kit, before: InstanceState, op: Operation): Promise<InstanceState> {
  const { challenge, nonce } = await ask(kit, op)
  const { clientId, publicKey, registrationToken: token } = before
  const evidence = await collect(kit, { purpose: 'update', nonce, publicKey }, null, op)
  const json = { ...(await metadata(kit)), client_id: clientId, jwks: { keys: [publicKey] }, challenge, evidence }
  const reply = await resend(kit, { method: 'PUT', path: `/register/${clientId}`, key: before, nonce, token, json }, op)
  if (reply.status !== 200) throw refusal(reply)
  const next = {
    ...before,
    registrationToken: textOf(reply.body, 'registration_access_token'),
    reported: await reportOf(kit),
  }
  await kit.state.update((state) => ({ ...state, instance: next }))
  return next
}

async function resend({ net }: Kit, call: Call, op: Operation): Promise<Reply> {
  return net.ask(call, op).catch((error: unknown) => {
    if (isPosternError(error, 'net.unreachable')) return net.ask(call, op)
    throw error
  })
}

/** A challenge, and a device key made for it; both are kept before they are used. */
async function prepare(kit: Kit, op: Operation): Promise<PendingInstance> {
  const { options, issuer, state } = kit
  const { runtime, keystore, app } = options
  const { challenge, nonce } = await ask(kit, op)
  const keyId = `device.${encodeBase64url(runtime.random(9))}`
  const bound = { issuer, tenant: app.tenant, app: app.id, challenge: decodeBase64url(nonce)! }
  const options32 = { presence: 'none', challenge: await keyChallenge(runtime.crypto, bound) } as const
  try {
    const { publicKey, evidence } = await op.wait(guarded(() => keystore.create(keyId, options32)))
    const pending: PendingInstance = { challenge, nonce, keyId, publicKey, keyEvidence: evidence ?? null }
    await op.wait(state.update((known) => ({ ...known, pending })))
    return pending
  } catch (error) {
    const { pending } = await state.read().catch(() => ({ pending: null }))
    if (pending?.keyId !== keyId) await keystore.remove(keyId).catch(() => undefined)
    throw error
  }
}

async function forget({ state, options }: Kit, { keyId }: PendingInstance): Promise<void> {
  await state.update((known) => ({ ...known, pending: null }))
  await options.keystore.remove(keyId).catch(() => undefined)
}

async function ask({ net }: Kit, op: Operation): Promise<{ challenge: string; nonce: string }> {
  const { body } = await net.demand({ method: 'POST', path: '/challenge' }, op)
  const nonce = textOf(body, 'nonce')
  if (decodeBase64url(nonce)?.length !== 32) throw new PosternError('net.unreachable', { reason: 'the nonce is not 32 bytes' })
  return { challenge: textOf(body, 'challenge'), nonce }
}

async function collect(
  { options, issuer }: Kit,
  about: { purpose: 'register' | 'update'; nonce: string; publicKey: JsonWebKey },
  key: Evidence | null,
  op: Operation,
): Promise<readonly Evidence[]> {
  const { runtime, app, evidence } = options
  const { purpose, publicKey } = about
  const own = key === null ? [] : [key]
  if (evidence === undefined) return own
  const challenge = decodeBase64url(about.nonce)!
  const jkt = decodeBase64url(await thumbprint(runtime.crypto, publicKey))!
  const bound = { issuer, tenant: app.tenant, app: app.id, challenge, jkt, purpose }
  const asked = { purpose, challenge, deviceKey: publicKey, appChallenge: await appChallenge(runtime.crypto, bound) }
  return [...own, ...(await op.wait(evidence(asked, op.signal)))].slice(0, 4)
}

async function metadata({ options: { app } }: Kit) {
  return {
    app_id: app.id,
    app_version: app.version,
    app_platform: app.platform,
    ...(app.osVersion === undefined ? {} : { os_version: app.osVersion }),
    ...(app.model === undefined ? {} : { device_model: app.model }),
    ...(app.redirectUri === undefined ? {} : { redirect_uris: [app.redirectUri] }),
  }
}

async function reportOf(kit: Kit): Promise<string> {
  return JSON.stringify(await metadata(kit))
}

function checkConfig({ options: { app }, issuer }: Kit): void {
  const fine =
    [issuer, app.api].every((url) => URL.canParse(url)) && [app.id, app.version, app.platform, app.tenant].every(Boolean)
  if (!fine || new URL(app.api).origin !== app.api) throw new PosternError('config.invalid')
}
