import { expect, it } from 'vitest'
import { authorize, good, granted } from '../authorization.js'
import { basic, ISSUER, SECRET, world } from '../world.js'
import { onEachEngine, skipDraws } from './engines.js'

onEachEngine(new URL('./requestHolder.ts', import.meta.url), (kill) => {
  it('T37 kill -9 between the commit of a finished request and its reply: no code ever comes of it, the user starts again', async () => {
    const { known, wrap } = await kill<Record<'request_uri' | 'handle' | 'cookie', string>>('request')
    const { request_uri, handle, cookie } = known
    const w = await world({ nodes: 1, wrap })
    expect((await authorize(w, { client_id: 'portal', request_uri })).status).toBe(400)
    const late = await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
    expect([late.status, await late.text()]).toEqual([400, expect.stringContaining('par.invalid')])
    skipDraws(w)
    const { body } = await w.post('/par', good, { headers: { authorization: basic('portal', SECRET) } })
    expect((await authorize(w, { client_id: 'portal', request_uri: body.request_uri })).status).toBe(200)
  })
})
