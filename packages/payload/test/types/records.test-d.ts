import { PosternError } from '@postern/core/errors'
import { expectTypeOf } from 'vitest'
import { createSealedRecords, type RecordCode, type SealedRecordsOptions } from '../../src/records.js'

/** Every code has its answer; one that is added is an error here. */
export function sayWhy(code: RecordCode): string {
  switch (code) {
    case 'record.key_missing':
    case 'record.key_wrong':
      return 'log in anew'
    case 'record.tampered':
    case 'record.lost':
    case 'record.stale':
      return 'fetch anew'
    case 'record.limit':
      return 'store less'
    default:
      return code satisfies never
  }
}

expectTypeOf(new PosternError('record.lost').code).toExtend<RecordCode>()
expectTypeOf(createSealedRecords).parameter(0).toEqualTypeOf<SealedRecordsOptions>()
expectTypeOf<ReturnType<ReturnType<typeof createSealedRecords>['get']>>().resolves.toEqualTypeOf<Uint8Array | null>()
