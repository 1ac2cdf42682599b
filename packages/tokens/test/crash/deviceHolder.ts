/** The child of the crash tests: a user decides about a device, or the device redeems its grant, and nobody hears of it. */
import { deviceWorld, granted } from '../waiting.js'
import { dying } from './dying.js'

const what = process.argv[3]
const { wrap, hold } = await dying((key) => key === 'dg' || key.startsWith('fam/'))
const w = await deviceWorld({ nodes: 1, wrap })
const { device_code, user_code } = (await w.begin({ scope: 'openid offline_access' })).body
if (what === 'claim') hold({ device_code, user_code })
const { id } = await w.claim(user_code)
if (what === 'decision') hold({ device_code, user_code, id })
await w.decide(id, granted())
hold({ device_code, user_code, id })
await w.poll(device_code)
