/** The child of the crash tests: makes the first commit of a revocation or a logout, and gets no further. */

import { logOut } from '@postern/tokens/logout'
import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { loggingOut, loginAt } from '../loggingOut.js'
import { ISSUER } from '../world.js'
import { dying } from './dying.js'

const what = process.argv[3]
const FIRST = /^(e\/~revoke\/|e\/~sessionend\/)/
const { wrap, hold } = await dying(
  (key) => FIRST.test(key) || (what === 'token' && key.startsWith('fam/')) || (what === 'instance' && key === 'ep'),
)
const w = await loggingOut({ nodes: 1, wrap })
if (what === 'logout') {
  hold(await Promise.all(['portal', 'shop'].map((id) => loginAt(w, id))))
  await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
} else {
  const devices = [await w.device(), await w.device()]
  const tokens = await Promise.all(devices.map(async ({ id }, i) => (await w.redeem(devices[i]!, await w.code(id))).body))
  hold(tokens)
  const [{ id, proof }] = devices as [(typeof devices)[0]]
  if (what === 'token') {
    const form = { client_id: id, token: tokens[0].refresh_token }
    await w.post('/revoke', form, { headers: { dpop: await proof(`${ISSUER}/revoke`) } })
  } else if (what === 'instance') {
    const { device: part } = places({ keys: w.keys, crypto: w.contexts[0]!.runtime.crypto, tenant: 't1' })
    await revoke({ owner: part(id) }, w.contexts[0]!)
  } else await revoke({ subject: 'user-1', devices: devices.map((one) => one.id) }, w.contexts[0]!)
}
