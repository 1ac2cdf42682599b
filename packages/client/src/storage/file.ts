/// <reference types="node" />
/** Storage in a folder, a file for each key. It is as secret as the folder is: for servers, tests and the command line. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PosternError } from '@postern/core/errors'
import type { SecureStoragePort } from '../ports.js'

/** @param o.folder - made when it is not there, mode 0700; files are 0600, written whole or not at all */
export function createFileStorage({ folder }: { readonly folder: string }): SecureStoragePort {
  let turn: Promise<unknown> = Promise.resolve()

  // Names are ours, but a path is no place for trust.
  function path(key: string): string {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(key)) throw unavailable('name')
    return join(folder, `${key}.bin`)
  }

  return {
    async get(key) {
      try {
        return new Uint8Array(await readFile(path(key)))
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ENOENT') return null
        throw unavailable('read', error)
      }
    },
    async set(key, value) {
      const write = async (): Promise<void> => {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        // Beside, then over: a crash leaves the old file or the new one.
        await writeFile(`${path(key)}.new`, value, { mode: 0o600, flush: true })
        await rename(`${path(key)}.new`, path(key))
      }
      const done = turn.then(write)
      turn = done.catch(() => undefined)
      await done.catch((cause: unknown) => {
        throw unavailable('write', cause)
      })
    },
    async remove(key) {
      await rm(path(key), { force: true }).catch((cause: unknown) => {
        throw unavailable('remove', cause)
      })
    },
  }
}

function unavailable(reason: string, cause?: unknown): PosternError<'storage.unavailable'> {
  return new PosternError('storage.unavailable', { reason, cause })
}
