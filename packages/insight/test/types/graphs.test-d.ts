import type { Graph, GraphId } from '@postern/insight/graphs'
import type { Series, Table } from '@postern/insight/query'
import { expectTypeOf } from 'vitest'

// A graph is data with a closed id and kind.
expectTypeOf<Graph['id']>().toEqualTypeOf<GraphId>()
export function shape(kind: Graph['kind']): number {
  switch (kind) {
    case 'line':
      return 1
    case 'stacked':
      return 2
    case 'bars':
      return 3
    default:
      return kind satisfies never
  }
}
// Where nothing was counted stands null, never 0.
expectTypeOf<Series['values'][number]>().toEqualTypeOf<number | null>()
expectTypeOf<Table['series'][number]>().toEqualTypeOf<Series>()
