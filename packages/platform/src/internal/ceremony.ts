/** A ceremony of any authenticator, over a device that has proved its key: in which partition it lives, and what must be read there before it. */
import type { Ceremony } from '@postern/authenticators/authenticator'
import type { Registry } from '@postern/authenticators/registry'
import { locatePasskey } from '@postern/authenticators/webauthn/server'
import type { Part, Runtime } from '@postern/store'
import type { Places } from '@postern/tokens/places'
import type { Device } from './deviceRecord.js'
import { userKey } from './partition.js'
import { credentialsOf, PASSKEY, passkeyOf, passkeysOf, type UserRecord, userOf } from './passkeys.js'

export interface CeremonyPorts {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly registry: Registry
}

/** What a ceremony is about. */
export interface Asked extends Partial<Pick<Ceremony, 'proven' | 'bind' | 'claim' | 'handle'>> {
  readonly type: string
  readonly purpose: Ceremony['purpose']
  readonly device: Device
  /** The user's partition; `null` before a passkey has named him. */
  readonly user: Part | null
  readonly enrolment: Ceremony['enrolment']
}

/** For `begin`, and for a `finish` of what lives on the device. */
export async function ceremonyOf(ports: CeremonyPorts, asked: Asked): Promise<Ceremony> {
  const { store, clock } = ports.runtime
  const { type, user, enrolment, handle } = asked
  if (type === PASSKEY && user !== null) {
    const [[u], passkeys] = [await store.read(user, [userKey.record], { now: clock() }), await passkeysOf(store, user, clock())]
    // To confirm something one of his is named, for it stands in the statement. Otherwise any may answer, and the answer says which.
    const one = asked.purpose === 'confirm' ? enrolment : null
    const among = one === null ? passkeys : passkeys.filter(({ id }) => id === one.id)
    return { ...base(ports, asked), ...standing(userOf(u ?? null)), enrolment: one, credentials: credentialsOf(among) }
  }
  const c = base(ports, asked)
  // A host's own authenticator begins with what it kept.
  if (!type.startsWith('custom:') || enrolment === null || handle !== undefined) return c
  const keys = ports.registry.get(type)?.watches(enrolment.id) ?? []
  return { ...c, records: await store.read(c.part, keys, { now: clock() }) }
}

/** What a passkey's answer leads to: the ceremony with the record that it names, read now, and the user it names. */
export async function locatedCeremony(
  ports: CeremonyPorts,
  asked: Omit<Asked, 'enrolment'>,
  answer: unknown,
): Promise<{ readonly ceremony: Ceremony; readonly user: UserRecord | null }> {
  const { store, clock, crypto } = ports.runtime
  const located = await locatePasskey(crypto, answer)
  const named = located?.partition == null ? null : { tenant: ports.tenant, id: located.partition }
  const user = asked.user ?? named
  const at = { ...asked, user, enrolment: null }
  if (located === null || user === null) return { ceremony: base(ports, at), user: null }
  const found = await passkeyOf(store, user, located.name, clock())
  const { passkey } = found
  const enrolment = { id: located.name, rev: passkey?.rev ?? null, value: passkey?.value ?? null }
  return { ceremony: { ...base(ports, { ...at, enrolment }), ...standing(found.user) }, user: found.user }
}

function base({ issuer, tenant, places }: CeremonyPorts, asked: Asked): Ceremony {
  const { type, purpose, device, user, enrolment, bind = null, proven, claim, handle } = asked
  return {
    issuer,
    tenant,
    app: device.value.app,
    purpose,
    part: type === PASSKEY && user !== null ? user : places.device(device.id),
    device: { id: device.id, rev: device.rev, key: device.value.key, keyLevel: 'software' },
    ...(proven === undefined ? {} : { proven }),
    enrolment,
    ...(claim === undefined ? {} : { claim }),
    bind,
    ...(handle === undefined ? {} : { handle }),
    userVerification: 'required',
  }
}

function standing(user: UserRecord | null): Pick<Ceremony, 'user'> {
  return user === null ? {} : { user: { rev: user.rev } }
}
