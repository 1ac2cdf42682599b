// Binary HTTP: one request of 1 KiB and 20 fields encoded and decoded again, beside bhttp-js over the same request.
import { randomBytes } from 'node:crypto'
import { decodeRequest, encodeRequest } from '@postern/payload/bhttp'
import { BHttpDecoder, BHttpEncoder } from 'bhttp-js'
import { compare, mustEqual, report } from './harness.js'
import { message, url } from './world.js'

const TARGET = 2

/** @param {(name: string) => boolean} wanted */
export async function bhttpCases(wanted) {
  if (!wanted('bhttp.1024')) return
  const body = new Uint8Array(randomBytes(1024))
  const fields = Array.from({ length: 20 }, (_, i) => [`x-field-${i}`, `value ${i} ${'v'.repeat(20)}`])
  const request = { ...message(body), fields }
  const [encoder, decoder] = [new BHttpEncoder(), new BHttpDecoder()]
  const peerTrip = async (made) => decoder.decodeRequest(await encoder.encodeRequest(made))
  const make = () => new Request(url, { method: 'POST', body, headers: fields })
  mustEqual(decodeRequest(encodeRequest(request)).content, body, 'postern')
  mustEqual(new Uint8Array(await (await peerTrip(make())).arrayBuffer()), body, 'bhttp-js')
  const times = await compare({
    // Unpadded, as the peer's.
    postern: { run: () => decodeRequest(encodeRequest(request, { pad: false })) },
    padded: { run: () => decodeRequest(encodeRequest(request)) },
    peer: { prepare: (n) => Array.from({ length: n }, make), run: peerTrip },
  })
  const { postern, padded, peer } = times
  report('bhttp.1024', postern.us, 'bhttp-js', peer.us, peer.us / TARGET, {
    cpu_us: postern.cpu,
    peer_cpu_us: peer.cpu,
    target: TARGET,
  })
  report('bhttp.1024.padded', padded.us, 'bhttp-js', peer.us, peer.us / TARGET, { target: TARGET })
}
