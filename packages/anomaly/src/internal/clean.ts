/** Facts as they are trusted: each field read once, and what is not finite, in range and of its kind is missing. */
import { utf8 } from '@postern/core/bytes'
import type { LoginFacts } from '../facts.js'
import { type NetworkKind, networkKinds, type Place, plainAddress } from '../network.js'

export interface CleanFacts {
  /** Seconds since the epoch, whole. */
  readonly at: number | null
  readonly place: Place | null
  readonly kind: NetworkKind | null
  readonly failures: number | null
  readonly integrity: number | null
  readonly steppedUp: boolean
  /** The bytes that stand for each level's value. */
  readonly values: Readonly<Record<string, Uint8Array | null>>
  readonly extras: Readonly<Record<string, Uint8Array | null>>
}

const none: Readonly<Record<string, never>> = {}
const MAX_AT = 4_294_967_295_000

export function clean(f: LoginFacts, extraNames: readonly string[]): CleanFacts {
  const {
    at,
    app,
    appVersion,
    platform,
    osVersion,
    model,
    device,
    ip,
    asn,
    kind,
    authenticator,
    failuresBefore,
    integrity,
    extra,
  } = f
  const place = goodPlace(f.place)
  const address = ip instanceof Uint8Array ? plainAddress(ip) : null
  const goodKind = (networkKinds as readonly unknown[]).includes(kind) ? kind : null
  const version = text(osVersion)
  const dot = version === null ? -1 : version.indexOf('.')
  const major = version === null || dot < 0 ? version : version.slice(0, dot)
  const values = {
    country: place === null ? null : utf8(place.country),
    asn: whole(asn, 1, 0xffffffff) === null ? null : number(asn!),
    prefix: address === null ? null : address.slice(0, address.length === 4 ? 3 : 6),
    address,
    os: text(platform) === null || major === null ? null : utf8(`${platform}/${major}`),
    model: bytes(text(model)),
    device: device instanceof Uint8Array && device.length >= 8 && device.length <= 64 ? device.slice() : null,
    appVersion: text(app) === null || text(appVersion) === null ? null : utf8(`${app}|${appVersion}`),
    kind: goodKind === null ? null : utf8(goodKind),
    authenticator: bytes(text(authenticator)),
  }
  const extras = extraNames.length === 0 ? none : Object.fromEntries(extraNames.map((name) => [name, extraValue(extra?.[name])]))
  return {
    at: typeof at === 'number' && Number.isFinite(at) && at >= 0 && at <= MAX_AT ? Math.floor(at / 1000) : null,
    place,
    kind: goodKind,
    failures: whole(failuresBefore, 0, Number.MAX_SAFE_INTEGER),
    integrity: whole(integrity, 0, 3),
    steppedUp: f.steppedUp === true,
    values,
    extras,
  }
}

function goodPlace(place: Place | null): Place | null {
  if (typeof place !== 'object' || place === null) return null
  const { country, lat, lon, radiusKm } = place
  const good =
    typeof country === 'string' &&
    /^[A-Z]{2}$/.test(country) &&
    within(lat, -90, 90) &&
    within(lon, -180, 180) &&
    within(radiusKm, 0, 20_040)
  return good ? { country, lat, lon, radiusKm } : null
}

const within = (n: unknown, least: number, most: number): boolean => typeof n === 'number' && n >= least && n <= most
const whole = (n: unknown, least: number, most: number): number | null =>
  Number.isInteger(n) && within(n, least, most) ? (n as number) : null
const text = (t: unknown): string | null => (typeof t === 'string' && t.length > 0 && t.length <= 256 ? t : null)
const bytes = (t: string | null): Uint8Array | null => (t === null ? null : utf8(t))

function number(n: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setFloat64(0, n)
  return out
}

function extraValue(value: unknown): Uint8Array | null {
  return typeof value === 'number' ? (Number.isFinite(value) ? number(value === 0 ? 0 : value) : null) : bytes(text(value))
}
