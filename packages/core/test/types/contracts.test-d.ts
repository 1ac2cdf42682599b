import { type ErrorCode, isPosternError, PosternError } from '@postern/core/errors'
import type { EventType, PosternEvent } from '@postern/core/events'
import { object, optional, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import { expectTypeOf } from 'vitest'

// A code that is not in the registry cannot be thrown.
// @ts-expect-error: no such code
new PosternError('store.mislaid')
expectTypeOf(new PosternError('store.corrupt').code).toEqualTypeOf<'store.corrupt'>()

// A guard narrows to the codes it was asked about, so that a switch over them is exhaustive.
export function told(error: unknown): string {
  if (!isPosternError(error, 'json.malformed', 'json.too_large')) return ''
  switch (error.code) {
    case 'json.malformed':
      return 'form'
    case 'json.too_large':
      return 'size'
    default:
      return error.code satisfies never
  }
}

// An event is one of the union; every type of the list is one of its members.
expectTypeOf<PosternEvent['type']>().toEqualTypeOf<EventType>()
expectTypeOf<ErrorCode>().toExtend<string>()

// Readers give the type of what they read; an optional member may be absent, not undefined.
const read = object({ id: text({ max: 3 }), note: optional(text({ max: 3 })) })
expectTypeOf(read).parameter(0).toEqualTypeOf<JsonValue>()
expectTypeOf(read({} as JsonValue)).toExtend<{ readonly id: string; readonly note?: string }>()
