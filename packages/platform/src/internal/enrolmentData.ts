/** What platform keeps inside an enrolment: whose it is and how he usually logs in, sealed, so that the record names nobody. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Sealer, SealScope } from '@postern/core/sealed'

export interface EnrolmentData {
  readonly subject: string
  /** The packed risk profile; `null` before the first login. */
  readonly profile: Uint8Array | null
  readonly preferred: boolean
}

export interface EnrolmentDataCodec {
  /** @param owner - the user's partition: the bytes open for no other user */
  seal(owner: string, data: EnrolmentData): Promise<Uint8Array>
  /** @throws PosternError `store.corrupt` */
  open(owner: string, bytes: Uint8Array): Promise<EnrolmentData>
}

export function createEnrolmentData(sealer: Sealer, place: Pick<SealScope, 'tenant' | 'issuer'>): EnrolmentDataCodec {
  const scope = (owner: string): SealScope => ({ ...place, type: 'enrolment-data', purpose: owner })
  return {
    seal: (owner, { subject, profile, preferred }) =>
      sealer.seal(scope(owner), utf8(JSON.stringify([subject, profile === null ? null : encodeBase64url(profile), preferred]))),
    async open(owner, bytes) {
      const opened = await sealer.open(scope(owner), bytes)
      const json = opened === null ? null : fromUtf8(opened)
      if (json === null) throw new PosternError('store.corrupt')
      const [subject, profile, preferred] = JSON.parse(json) as [string, string | null, boolean]
      return { subject, profile: profile === null ? null : decodeBase64url(profile), preferred }
    },
  }
}
