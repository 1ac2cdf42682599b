/// <reference types="node" />
/** The child of the crash test: begins with many PINs at once, says each answer on stdout, and waits to be killed. */
import { writeSync } from 'node:fs'
import { runBegin } from '@postern/authenticators/authenticator'
import { ke1Statement, pinContext } from '@postern/authenticators/pin/messages'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, fromHex } from '@postern/core/bytes'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { createWorld, type Device, issuer, random } from '../world.js'

const [file = '', life = '', known = ''] = process.argv.slice(2)
const maxAttempts = 10
const w = createWorld({ store: sqliteStore(new Database(file)), maxAttempts, onExhausted: 'lock' })
// The seed is the same in every life, and so are the devices' keys; what follows is drawn elsewhere in the sequence.
const devices = await Promise.all(Array.from({ length: 8 }, (_, i) => w.device(`d${i}`)))
random(1_000_000 * Number(life))

if (known === '') for (const d of devices) writeSync(1, `${(await w.withPin(d, '27182')).enrolment}\n`)
else await Promise.all(known.split(',').flatMap((enrolment, i) => [0, 1, 2].map(() => guess(devices[i]!, enrolment))))
setInterval(() => undefined, 1000)

/** Three of these at a PIN: together more tries than there are. */
async function guess(d: Device, enrolment: string): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    const done = await begin(d, enrolment)
    // Synchronously: the answer is out before the next turn.
    writeSync(1, `${enrolment} ${done.ok ? maxAttempts - done.value.attemptsLeft! : done.code}\n`)
  }
}

async function begin(d: Device, enrolment: string) {
  const { handle, step } = await w.exchange(d, 'login', enrolment).begin(null, null)
  const about = { issuer, tenant: d.tenant, app: 'retail', device: d.id, enrolment, generation: 1, purpose: 'login', bind: null }
  const ke1 = concat(base(), random(32), base())
  const m1 = ke1Statement(
    pinContext(about as Parameters<typeof pinContext>[0]),
    decodeBase64url((step as { nonce: string }).nonce)!,
    ke1,
  )
  const input = { ke1: encodeBase64url(ke1), signature: encodeBase64url(await d.signer.sign(m1)) }
  return runBegin(w.pin, await w.ceremony(d, 'login', enrolment, { handle }), input, { runtime: w.runtime })
}

/** The ristretto255 base point: an element like any other. */
function base(): Uint8Array {
  return fromHex('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76')!
}
