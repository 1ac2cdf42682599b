/** The child of the crash tests: a user decides, a push is delivered or a poll redeemed, and the process dies of its commit. */
import { deliver } from '@postern/tokens/ciba'
import { cibaWorld, granted } from '../waiting.js'
import { dying } from './dying.js'

const what = process.argv[3]
const due = { poll: 'fam/', decided: 'ciba/' }[what ?? ''] ?? 'e/~ciba/'
const { wrap, hold } = await dying((key) => key.startsWith(due))
const w = await cibaWorld({ nodes: 1, wrap })
const { auth_req_id } = (await w.begin({ ...(due === 'e/~ciba/' && { client_id: 'pushed' }), scope: 'openid offline_access' }))
  .body
const known = { id: w.asked[0]!.id, auth_req_id }
if (what === 'decision' || what === 'decided') hold(known)
await w.decide(granted())
hold(known)
if (what === 'poll') await w.poll(auth_req_id)
else await deliver(w.contexts[0]!)
