/// <reference types="node" />
/** What was typed, strictly: an option that is not understood may be the one that mattered. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { Io } from './io.js'

/** Something typed that cannot be run. */
export class Usage extends Error {
  override readonly name = 'Usage'
}

/** Options by name and exactly these positionals. @throws Usage */
export function typed<const O extends NonNullable<ParseArgsConfig['options']>>(
  argv: readonly string[],
  options: O,
  positionals: readonly string[],
): { readonly values: Readonly<Partial<Record<keyof O, string | boolean>>>; readonly files: readonly string[] } {
  let parsed: { values: Partial<Record<string, string | boolean>>; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...argv],
      options: { ...options, json: { type: 'boolean' } },
      allowPositionals: true,
      strict: true,
    })
  } catch (cause) {
    throw new Usage(cause instanceof Error ? cause.message : 'The options are not valid.', { cause })
  }
  if (parsed.positionals.length !== positionals.length)
    throw new Usage(
      positionals.length === 0 ? 'No file is taken here.' : `Needed: ${positionals.map((name) => `<${name}>`).join(' ')}.`,
    )
  return { values: parsed.values as Partial<Record<keyof O, string | boolean>>, files: parsed.positionals }
}

/** A file's bytes. @throws Usage */
export async function fileOf(io: Io, path: string): Promise<Uint8Array> {
  try {
    return await io.read(path)
  } catch (cause) {
    throw new Usage(`${path} cannot be read.`, { cause })
  }
}

/** Writes a new file. @throws Usage when there is one */
export async function newFile(io: Io, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await io.create(path, bytes)
  } catch (cause) {
    throw new Usage(`${path} cannot be created; a file that exists is never written over.`, { cause })
  }
}
