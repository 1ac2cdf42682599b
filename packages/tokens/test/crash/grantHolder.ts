/** The child of the crash tests: redeems a code, or refreshes, and never replies. */
import { world } from '../world.js'
import { dying } from './dying.js'

const { wrap, hold } = await dying((key) => key.startsWith('fam/'))
const w = await world({ nodes: 1, wrap })
const device = await w.device()
const code = await w.code(device.id, { scope: ['openid', 'offline_access', 'accounts'] })
if (process.argv[3] === 'refresh') {
  const { refresh_token } = (await w.redeem(device, code)).body
  hold(refresh_token)
  await w.refresh(device, refresh_token)
} else {
  hold(code)
  await w.redeem(device, code)
}
