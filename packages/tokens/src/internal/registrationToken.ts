/** The registration access token (RFC 7592 §3): sealed, it says which client and which of its tokens it is. */
import { equal, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { openHandle, sealHandle } from './handles.js'
import { kitOf } from './kit.js'

/** What it holds. */
export interface RegistrationToken {
  readonly clientId: string
  readonly serial: number
  /** The restore epoch it was made in. */
  readonly epoch?: string
}

/** A client whose registration is managed, as its port gave it: ports know their clients by these very objects. */
interface Managed {
  readonly client: Client
  /** Of its newest token; 0 for a client without any. */
  readonly serial: number
  readonly token: RegistrationToken & { readonly text: string }
}

/**
 * The current token, or the one before it: the reply with the current one may have been lost. The one before ends with the next PUT that
 * presents the current one; neither GET nor DELETE ends it, and a PUT that presents the one before leaves both as they are. A token of an
 * earlier restore epoch may be ahead of its record, which the restore took back.
 */
export async function authorizeManagement(request: Request, id: string, context: IssuerContext): Promise<Managed> {
  const [, scheme, text] = /^(dpop|bearer) +([A-Za-z0-9._~-]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  const opened = text === undefined ? null : await openHandle<RegistrationToken>(kitOf(context), 'registration', text)
  const named = opened !== null && equal(utf8(opened.clientId), utf8(id))
  const client = named ? await context.clients.find(id, { fresh: true }) : null
  if (client === null || !named || !isCurrent(opened, client, context))
    throw new PosternError('token.invalid', { reason: 'register.token' })
  if (client.jkt !== undefined && scheme!.toLowerCase() !== 'dpop')
    throw new PosternError('token.invalid', { reason: 'register.scheme' })
  return { client, serial: client.serial ?? 0, token: { ...opened, text: text! } }
}

function isCurrent({ serial, epoch = '0' }: RegistrationToken, client: Client, { restoreEpoch = '0' }: IssuerContext): boolean {
  const behind = (client.serial ?? 0) - serial
  return behind === 0 || behind === 1 || (behind < 0 && epoch !== restoreEpoch)
}

/** The newest token of a client. */
export function registrationToken({ id, serial = 1 }: Client, context: IssuerContext): Promise<string> {
  const token: RegistrationToken = { clientId: id, serial, epoch: context.restoreEpoch ?? '0' }
  return sealHandle(kitOf(context), 'registration', token)
}
