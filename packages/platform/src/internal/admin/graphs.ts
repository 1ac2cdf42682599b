/** `graphs`: the list, the numbers of one, its picture and its table, each equal to a recount of the events. */
import { PosternError } from '@postern/core/errors'
import { graphs } from '@postern/insight/graphs'
import { sentence } from '@postern/insight/sentence'
import { renderSvg, standaloneStyleHash } from '@postern/insight/svg'
import { renderTable } from '@postern/insight/table'
import type { GraphRange, Watch } from '../events/watch.js'
import type { Answer, Call, Room } from './call.js'
import { invalid } from './query.js'

const ID = '([a-z][a-z0-9-]{0,63})'
/** A picture opened by itself runs nothing and reaches nothing; its one style sheet is named by its hash (H20). */
const SVG_CSP = `default-src 'none'; style-src '${standaloneStyleHash}'; frame-ancestors 'none'; base-uri 'none'`

export function graphRooms({ watch }: { watch: Watch }): readonly Room[] {
  const read = async ({ params: [id], query }: Call) => {
    const found = await watch.graph(id!, rangeOf(query))
    if (found === null) throw new PosternError('admin.not_found')
    return found
  }
  return [
    {
      method: 'GET',
      path: /^\/v1\/graphs$/,
      scope: 'insight:read',
      answer: async () => ({
        body: { graphs: graphs.map(({ id, title, description, kind, unit }) => ({ id, title, description, kind, unit })) },
      }),
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/graphs/${ID}\\.svg$`),
      scope: 'insight:read',
      query: ['range'],
      async answer(call): Promise<Answer> {
        const { graph, table } = await read(call)
        const value = renderSvg(graph, table, { mode: 'standalone' })
        return { text: { type: 'image/svg+xml', value }, headers: { 'content-security-policy': SVG_CSP } }
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/graphs/${ID}$`),
      scope: 'insight:read',
      query: ['range'],
      async answer(call): Promise<Answer> {
        const { graph, table } = await read(call)
        const vary = { vary: 'accept' }
        const html = (call.request.headers.get('accept') ?? '').toLowerCase().includes('text/html')
        if (html) return { text: { type: 'text/html; charset=utf-8', value: renderTable(graph, table) }, headers: vary }
        const { id, title, description, unit } = graph
        return { body: { id, title, description, unit, sentence: sentence(graph, table), table }, headers: vary }
      },
    },
  ]
}

function rangeOf(query: ReadonlyMap<string, string>): GraphRange {
  const range = query.get('range') ?? '24h'
  if (range !== '24h' && range !== '7d' && range !== '30d') throw invalid('range is 24h, 7d or 30d.')
  return range
}
