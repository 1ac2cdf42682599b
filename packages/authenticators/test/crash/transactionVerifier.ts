/// <reference types="node" />
/** A process that knows a public key and nothing else: evidence on stdin, what was decided on stdout. */
import { readFileSync } from 'node:fs'
import { verifyEvidence } from '@postern/authenticators/transaction/evidence'
import { decodeBase64url } from '@postern/core/base64url'
import { createCrypto } from '@postern/core/crypto'

const { key, jkt, ...members } = JSON.parse(readFileSync(0, 'utf8')) as { key: JsonWebKey; jkt: string } & Record<string, string>
const bytes = (name: string) => decodeBase64url(members[name]!)!
const evidence = {
  transaction: bytes('transaction'),
  statement: bytes('statement'),
  signed: bytes('signed'),
  signature: bytes('signature'),
  jkt,
}
const verdict = await verifyEvidence(createCrypto(), evidence, key)
process.stdout.write(verdict === null ? 'no' : `${verdict.statement.decision} ${verdict.transaction.payee}`)
