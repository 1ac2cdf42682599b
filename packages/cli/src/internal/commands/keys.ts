/** `keys create`: a tenant's first keys, sealed under a master key that stays elsewhere. `keys rotate`: the next ones. */
import { decodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { createKeyRingDocument, sealKeyRingDocument } from '@postern/core/keyRing'
import { rotateKeys } from '@postern/tokens/keys'
import type { Command, Io } from '../io.js'
import { fileOf, newFile, typed, Usage } from '../usage.js'
import { nowhere, opened } from './store.js'

const options = {
  out: { type: 'string' },
  'master-key': { type: 'string' },
  'new-master-key': { type: 'string' },
  unsealed: { type: 'boolean' },
  alg: { type: 'string' },
} as const

export const createKeys: Command = async (argv, io, out) => {
  const { values } = typed(argv, options, [])
  const { out: file, alg = 'ES256', unsealed = false } = values
  const [existing, fresh] = [values['master-key'], values['new-master-key']]
  if (typeof file !== 'string') throw new Usage('Needed: --out <file>.')
  if (alg !== 'ES256' && alg !== 'Ed25519') throw new Usage('--alg is ES256 or Ed25519.')
  if ([existing, fresh, unsealed || undefined].filter((one) => one !== undefined).length !== 1)
    throw new Usage('Needed: one of --master-key <file>, --new-master-key <file>, --unsealed.')
  // The document is whole before anything is written, and the master key before what only it can open.
  const document = await createKeyRingDocument({ ...io.ports, alg })
  const master =
    typeof existing === 'string' ? await masterKey(io, existing) : typeof fresh === 'string' ? io.ports.random(32) : null
  const bytes = master === null ? utf8(`${JSON.stringify(document)}\n`) : await sealKeyRingDocument(document, master, io.ports)
  if (typeof fresh === 'string' && master !== null) await newFile(io, fresh, master)
  await newFile(io, file, bytes)
  const { kid } = document.signing[0]!
  const told = { file, sealed: master !== null, alg, kid }
  out.done(told, [
    `${file}: a key ring with signing key ${kid} (${alg})`,
    master === null
      ? 'It is not sealed: whoever reads it can sign. For development alone.'
      : 'It opens with the master key alone; keep that elsewhere.',
  ])
  return true
}

/** `keys rotate`: one more key in a ring of a tenant whose keys are in the store; it takes over when every node and client knows it. */
export const turnKeys: Command = async (argv, io, out) => {
  const { values } = typed(
    argv,
    { store: { type: 'string' }, tenant: { type: 'string' }, 'master-key': { type: 'string' }, ring: { type: 'string' } },
    [],
  )
  const { tenant, ring = 'signing' } = values
  const master = values['master-key']
  if (typeof tenant !== 'string' || typeof master !== 'string')
    throw new Usage('Needed: --tenant <name> and --master-key <file>.')
  if (ring !== 'signing' && ring !== 'long' && ring !== 'short') throw new Usage('--ring is signing, long or short.')
  const masterKeys = [await masterKey(io, master)] as const
  const { store, close } = await opened(io, values.store)
  try {
    const runtime = { ...io.ports, store: await store(), events: () => undefined, fetch: nowhere }
    const { kid, activateAt } = await rotateKeys({ runtime, tenant, masterKeys }, ring)
    const at = new Date(activateAt).toISOString()
    out.done({ tenant, ring, kid, activateAt }, [`${tenant}: ${ring} key ${kid} takes over at ${at}`])
    return true
  } finally {
    await close()
  }
}

/** 32 bytes as they are, or as one line of hex or base64url. @throws Usage */
async function masterKey(io: Io, path: string): Promise<Uint8Array> {
  const bytes = await fileOf(io, path)
  if (bytes.length === 32) return Uint8Array.from(bytes)
  const text = fromUtf8(Uint8Array.from(bytes))?.trim() ?? ''
  const decoded = /^[0-9a-f]{64}$/i.test(text)
    ? Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16))
    : decodeBase64url(text)
  if (decoded?.length !== 32) throw new Usage(`${path} does not hold a master key: 32 bytes, raw, in hex or in base64url.`)
  return decoded
}
