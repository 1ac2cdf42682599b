/** The child of the crash test: ends a pushed request, and never replies. */
import { good, granted } from '../authorization.js'
import { basic, ISSUER, SECRET, world } from '../world.js'
import { dying } from './dying.js'

const { wrap, hold } = await dying((key) => key === 'done')
const w = await world({ nodes: 1, wrap })
const { body } = await w.post('/par', good, { headers: { authorization: basic('portal', SECRET) } })
const query = new URLSearchParams({ client_id: 'portal', request_uri: body.request_uri })
const page = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${query}`))
const cookie = page.headers.get('set-cookie')!.split(';')[0]!
const handle = await page.text()
hold({ request_uri: body.request_uri, handle, cookie })
await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
