/// <reference types="node" />
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AuthorizationList,
  allTags,
  type KeyDescription,
  keyDescriptionOf,
  keyDescriptionOid,
  readKeyDescription,
} from '@postern/core/keydescription'
import { parseCertificate } from '@postern/core/x509'
import { describe, expect, it } from 'vitest'
import { refusalOf, VECTORS } from '../support.js'

const folder = `${VECTORS}/auth/android-keyattestation/testdata`
const missing = !existsSync(folder) && process.env.POSTERN_REQUIRE !== 'all'
const files = missing ? [] : readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.pem'))

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('utf8')
const LEVEL = { software: 'SOFTWARE', tee: 'TRUSTED_ENVIRONMENT', strongbox: 'STRONG_BOX' }
const STATE = { verified: 'VERIFIED', 'self-signed': 'SELF_SIGNED', unverified: 'UNVERIFIED', failed: 'FAILED' }

function chain(name: string): Uint8Array[] {
  const pem = readFileSync(join(folder, name), 'utf8')
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, b]) =>
    Uint8Array.from(Buffer.from(b!, 'base64')),
  )
}

/** A list in the words of the JSON beside each chain, which another reader wrote. */
function words(list: AuthorizationList): object {
  const { rootOfTrust: root } = list
  return {
    purposes: list.purpose?.map(String),
    algorithms: list.algorithm?.toString(),
    keySize: list.keySize?.toString(),
    digests: list.digest?.map(String),
    paddings: list.padding?.map(String),
    ecCurve: list.curve?.toString(),
    rsaPublicExponent: list.rsaPublicExponent?.toString(),
    noAuthRequired: list.noAuthRequired,
    userAuthType: list.userAuthType?.toString(),
    authTimeout: list.authTimeout?.toString(),
    trustedUserPresenceRequired: list.trustedUserPresenceRequired,
    unlockedDeviceRequired: list.unlockedDeviceRequired,
    creationDateTime: list.creationDateTime?.toString(),
    origin: list.origin === 0 ? 'GENERATED' : list.origin,
    rollbackResistant: list.rollbackResistant,
    rootOfTrust: root && {
      verifiedBootKey: base64(root.verifiedBootKey),
      deviceLocked: root.locked,
      verifiedBootState: STATE[root.bootState],
      verifiedBootHash: root.verifiedBootHash === null ? undefined : base64(root.verifiedBootHash),
    },
    osVersion: list.osVersion?.toString(),
    osPatchLevel: list.osPatchLevel?.toString(),
    vendorPatchLevel: list.vendorPatchLevel?.toString(),
    bootPatchLevel: list.bootPatchLevel?.toString(),
    attestationIdBrand: text(list.brand),
    attestationIdDevice: text(list.device),
    attestationIdProduct: text(list.product),
    attestationIdSerial: text(list.serial),
    attestationIdImei: text(list.imei),
    attestationIdSecondImei: text(list.secondImei),
    attestationIdMeid: text(list.meid),
    attestationIdManufacturer: text(list.manufacturer),
    attestationIdModel: text(list.model),
  }
}

function inWords(d: KeyDescription): object {
  return {
    attestationVersion: d.attestationVersion.toString(),
    attestationSecurityLevel: LEVEL[d.attestationLevel],
    keyMintVersion: d.keymintVersion.toString(),
    keyMintSecurityLevel: LEVEL[d.keymintLevel],
    attestationChallenge: base64(d.challenge),
    uniqueId: base64(d.uniqueId),
    softwareEnforced: words(d.software),
    hardwareEnforced: words(d.hardware),
  }
}

/** The same without what is read elsewhere or named otherwise. */
function published(name: string): object {
  const json = JSON.parse(readFileSync(join(folder, name.replace(/pem$/, 'json')), 'utf8'))
  for (const list of [json.softwareEnforced, json.hardwareEnforced]) {
    delete list.attestationApplicationId
    delete list.areTagsOrdered
  }
  return json
}

describe.skipIf(missing)('Android key attestation', () => {
  it.each(files)('%s says what the JSON beside it says', (name) => {
    const [leaf] = chain(name)
    const description = keyDescriptionOf(parseCertificate(leaf!), allTags)!
    expect(JSON.parse(JSON.stringify(inWords(description)))).toEqual(published(name))
    expect(description.software.applicationId?.length).toBeGreaterThan(0)
  })

  it('of an intermediate says nothing, and any changed byte of one is refused or read as something else', async () => {
    const [leaf, above] = chain(files.find((name) => name.includes('sony'))!)
    expect(keyDescriptionOf(parseCertificate(above!), allTags)).toBe(null)
    const { value } = parseCertificate(leaf!).extensions.get(keyDescriptionOid)!
    const whole = JSON.stringify(readKeyDescription(value, allTags))
    for (let at = 0; at < value.length; at++) {
      const bent = value.slice()
      bent[at]! ^= 1
      // Every tag of this one is known, so there is no byte that says nothing.
      const refusal = await refusalOf(
        (async () => expect([at, JSON.stringify(readKeyDescription(bent, allTags)) === whole]).toEqual([at, false]))(),
      )
      if (refusal !== null) expect(refusal.code).toMatch(/^(der\.malformed|keydescription\.refused)$/)
      expect((await refusalOf((async () => readKeyDescription(value.subarray(0, at), allTags))()))?.code).toBe('der.malformed')
    }
  })
})
