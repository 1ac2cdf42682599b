/** The ways out: a session, a profile, the whole device. What the server cannot be told now waits, with the key that proves it. */
import type { Told } from '../client.js'
import { type Kit, profileOf, withProfile } from './kit.js'
import { operation } from './operation.js'
import type { Untold } from './state.js'
import { tell, tellAll } from './untold.js'

export async function logout(kit: Kit): Promise<Told> {
  const items = await revocations(kit)
  kit.sessions.set(null)
  kit.sessions.setOwn(null)
  return { server: await tell(kit, items) }
}

/**
 * The named profile goes here at once. The last one takes the installation along (RFC 7592 DELETE): the next `start` registers anew. Of several,
 * the others stay; the server then keeps enrolments that nobody can use, for their secrets are gone.
 */
export async function deregister(kit: Kit, id: string): Promise<Told> {
  const state = await kit.state.read()
  const profile = profileOf(state, id)
  const last = state.profiles.filter(({ confirmed }) => confirmed).length === 1
  const revoked = kit.sessions.live?.session.profile === id ? await revocations(kit) : []
  if (kit.sessions.live?.session.profile === id || last) kit.sessions.set(null)
  if (kit.sessions.own?.profile === id || last) kit.sessions.setOwn(null)
  const { instance } = state
  const removal: readonly Untold[] =
    last && instance !== null ? [{ kind: 'unregister', ...pick(instance), token: instance.registrationToken }] : []
  await kit.state.update((now) => {
    const left = withProfile(now, id, () => null)
    return removal.length === 0 ? left : { ...left, instance: null, profiles: [] }
  })
  for (const { keyId } of profile.enrolments) if (keyId !== null) await kit.options.keystore.remove(keyId).catch(() => undefined)
  return { server: await tell(kit, [...revoked, ...removal]) }
}

/** Everything goes, whatever the server says; it is told once, now. */
export async function reset(kit: Kit): Promise<void> {
  kit.sessions.takeRefreshTokens()
  kit.sessions.set(null)
  kit.sessions.setOwn(null)
  const state = await kit.state.read().catch(() => null)
  const { instance } = state ?? {}
  if (instance) {
    const { clientId, registrationToken: token } = instance
    const op = operation(new AbortController().signal)
    await tellAll(kit, op).catch(() => undefined)
    await kit.net.ask({ method: 'DELETE', path: `/register/${clientId}`, key: instance, token }, op).catch(() => undefined)
  }
  const keys = [
    ...(state?.profiles ?? []).flatMap(({ enrolments }) => enrolments.map(({ keyId }) => keyId)),
    ...(state?.untold ?? []).map(({ keyId }) => keyId),
    state?.instance?.keyId,
    state?.pending?.keyId,
  ]
  for (const keyId of new Set(keys)) if (keyId) await kit.options.keystore.remove(keyId).catch(() => undefined)
  await kit.state.wipe()
}

async function revocations(kit: Kit): Promise<readonly Untold[]> {
  const { instance } = await kit.state.read()
  const tokens = kit.sessions.takeRefreshTokens()
  return instance === null ? [] : tokens.map((token) => ({ kind: 'revoke', ...pick(instance), token }))
}

function pick({ clientId, keyId, publicKey }: { clientId: string; keyId: string; publicKey: JsonWebKey }) {
  return { clientId, keyId, publicKey }
}
