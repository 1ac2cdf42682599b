/** Paths of the platform's own endpoints; what is none of them is the token server's. */
import { PosternError } from '@postern/core/errors'
import type { AuthorizationServer } from '@postern/tokens'
import type { Nonces } from '@postern/tokens/dpop'
import type { IssuerContext } from '@postern/tokens/issuer'
import { challengeResponse, type VerifierOptions } from '@postern/tokens/resource'
import type { HostContext } from '../node.js'
import type { Admin } from './admin/admin.js'
import type { Challenges } from './challenges.js'
import type { Enrolments } from './enrolments.js'
import { errorResponse } from './http.js'
import type { Push } from './push.js'
import type { DeviceSide } from './transactions/device.js'
import type { Portal } from './transactions/portal.js'

export interface Rooms {
  readonly issuer: string
  readonly server: AuthorizationServer
  readonly context: IssuerContext
  readonly challenges: Challenges
  readonly enrolments: Enrolments
  readonly registrations: (request: Request, name: string, context: IssuerContext) => Promise<Response>
  readonly push: Push
  readonly portal: Portal
  readonly confirmations: DeviceSide
  readonly bundle: () => Promise<Response>
  readonly admin: Admin | null
  readonly nonces: Nonces
  readonly verifierOptions: VerifierOptions
}

type Room = (request: Request, match: readonly string[], rooms: Rooms, host: HostContext | undefined) => Promise<Response>

/** A transaction as its client names it: in its user's partition, or behind a picture. */
const PORTAL = /^\/transactions\/([a-z2-7]{26}\.[0-9a-f]{32}|qr\.[A-Za-z0-9_-]{1,512})$/

/** Method, pattern of the path below the issuer's, and who answers. */
const paths: readonly (readonly [string, RegExp, Room])[] = [
  ['POST', /^\/challenge$/, (_, __, r) => r.challenges.issue()],
  ['GET', /^\/bundle$/, (_, __, r) => r.bundle()],
  [
    'POST',
    /^\/registrations\/([a-z0-9-]{1,64})\/complete$/,
    (q, [name], r, host) => r.registrations(q, name!, host === undefined ? r.context : { ...r.context, host }),
  ],
  ['GET', /^\/enrolments$/, (q, _, r) => r.enrolments.list(q)],
  ['PUT', /^\/enrolments\/preferred$/, (q, _, r) => r.enrolments.prefer(q)],
  ['POST', /^\/enrolments\/([a-z0-9:-]{1,40})\/begin$/, (q, [type], r, host) => r.enrolments.begin(q, type!, host)],
  ['POST', /^\/enrolments\/([a-z0-9:-]{1,40})\/finish$/, (q, [type], r, host) => r.enrolments.finish(q, type!, host)],
  ['POST', /^\/enrolments\/([0-9a-f]{32})\/change\/begin$/, (q, [id], r, host) => r.enrolments.changeBegin(q, id!, host)],
  ['POST', /^\/enrolments\/([0-9a-f]{32})\/change\/finish$/, (q, [id], r, host) => r.enrolments.changeFinish(q, id!, host)],
  ['PUT', /^\/push$/, (q, _, r) => r.push.enrol(q)],
  ['DELETE', /^\/push$/, (q, _, r) => r.push.forget(q)],
  ['GET', /^\/transactions$/, (q, _, r) => r.confirmations.pending(q)],
  ['POST', /^\/transactions$/, (q, _, r, host) => r.portal.create(q, host)],
  ['POST', /^\/transactions\/qr$/, (q, _, r, host) => r.portal.wait(q, host)],
  ['POST', /^\/transactions\/scan$/, (q, _, r, host) => r.confirmations.scan(q, host)],
  ['POST', /^\/transactions\/([0-9a-f]{32})\/begin$/, (q, [id], r, host) => r.confirmations.begin(q, id!, host)],
  ['POST', /^\/transactions\/([0-9a-f]{32})$/, (q, [id], r, host) => r.confirmations.decide(q, id!, host)],
  ['GET', PORTAL, (q, [id], r) => r.portal.view(q, id!)],
  ['DELETE', PORTAL, (q, [id], r, host) => r.portal.cancel(q, id!, host)],
  ['POST', new RegExp(`${PORTAL.source.slice(0, -1)}\\/redeem$`), (q, [id], r, host) => r.portal.redeem(q, id!, host)],
  ['GET', /^\/transactions\/(qr\.[A-Za-z0-9_-]{1,512})\/picture$/, (q, [id], r) => r.portal.picture(q, id!)],
  ['DELETE', /^\/enrolments\/([0-9a-f]{32})$/, (q, [id], r, host) => r.enrolments.remove(q, id!, host)],
]

export async function route(request: Request, host: HostContext | undefined, rooms: Rooms): Promise<Response> {
  const base = new URL(rooms.issuer).pathname.replace(/\/$/, '')
  const { pathname } = new URL(request.url)
  if (pathname !== base && !pathname.startsWith(`${base}/`)) return errorResponse(new PosternError('request.not_found'))
  const path = pathname.slice(base.length)
  if (path.startsWith('/admin/') && rooms.admin !== null) return rooms.admin(request, path.slice('/admin'.length), host)
  const here = paths.filter(([, pattern]) => pattern.test(path))
  if (here.length === 0) return rooms.server.fetch(request, host)
  const found = here.find(([method]) => method === request.method)
  if (found === undefined)
    return errorResponse(new PosternError('request.method'), { allow: here.map(([method]) => method).join(', ') })
  try {
    const answer = await found[2](request, found[1].exec(path)!.slice(1), rooms, host)
    answer.headers.set('dpop-nonce', await rooms.nonces.issue())
    return answer
  } catch (error) {
    const challenge = await challengeResponse(error, rooms.verifierOptions)
    if (challenge !== null) return challenge
    return errorResponse(error, { 'dpop-nonce': await rooms.nonces.issue() })
  }
}
