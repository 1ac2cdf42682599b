/** Confirmations over the platform's routes: what both sides share. The ladders are `authenticators`' own; here are callers, places and answers. */
import type { Refusal, RunResult } from '@postern/authenticators/authenticator'
import type { Registry } from '@postern/authenticators/registry'
import {
  type Place,
  type Planned,
  type Read,
  runTransaction,
  type Transactions,
} from '@postern/authenticators/transaction/server'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import type { Op, Part, Runtime } from '@postern/store'
import type { Places } from '@postern/tokens/places'
import type { HostContext } from '../../node.js'
import type { EnrolmentDataCodec } from '../enrolmentData.js'
import { errorResponse } from '../http.js'
import type { Journal } from '../journal.js'

export interface TransactionRoom {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly registry: Registry
  readonly journal: Journal
  readonly data: EnrolmentDataCodec
  readonly transactions: Transactions
}

/** The scope that lets a client ask users for confirmations. */
export const MOBILE_AUTH = 'mobile-auth'

/** What stands beside a waiting picture once it is claimed: whose it is now. */
export const claimedKey = 'at'

export interface ClaimedBy {
  /** Id of the user's partition. */
  readonly owner: string
  /** base64url, sealed for that owner: his subject. */
  readonly data: string
  /** Of the transaction, 32 hexadecimal digits. */
  readonly id: string
}

export function placeOf({ issuer, tenant }: TransactionRoom, part: Part): Place {
  return { issuer, tenant, part }
}

export function readOf({ runtime: { store, clock } }: TransactionRoom, part: Part): Read {
  return (keys) => store.read(part, keys, { now: clock() })
}

/** One step of a transaction as one commit, with ops of the platform's own; what it tells is shipped. */
export async function run<T extends object>(
  room: TransactionRoom,
  part: Part,
  attempt: (read: Read) => Planned<T>,
  o: { readonly about: Partial<PosternEvent>; readonly ops?: readonly Op[]; readonly host: HostContext | undefined },
): Promise<RunResult<T>> {
  const { about, ops = [], host } = o
  const done = await runTransaction(placeOf(room, part), attempt, { runtime: room.runtime, about, ops })
  await room.journal.left(part, host)
  return done
}

/** The answer of a refusal: codes of transactions by name, and of authenticators as everywhere. */
export function refused({
  code,
  reason,
  body,
  attemptsLeft,
}: Pick<Refusal, 'code' | 'reason' | 'body' | 'attemptsLeft'>): Response {
  const known = shown.test(code) ? code : 'authenticator.failed'
  return errorResponse(
    new PosternError(known, { reason }),
    {},
    {
      ...(attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft }),
      ...(body === undefined ? {} : { detail: body }),
    },
  )
}

const shown = /^(transaction\..*|device\.removed|authenticator\.(removed|locked)|otp\.(too_many|undelivered))$/
