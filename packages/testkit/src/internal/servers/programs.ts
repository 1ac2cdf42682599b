/// <reference types="node" />
/** The programs of this machine. */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Owner } from './process.js'

/** What a client program printed, without the last line break. @throws Error with what it said on stderr */
export function output(command: string, args: readonly string[], o: Partial<Owner> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { ...o, encoding: 'utf8', maxBuffer: 67_108_864 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command.replace(/^.*\//, '')}: ${stderr || error.message}`))
      else resolve(stdout.replace(/\n$/, ''))
    })
  })
}

/** Whether a program can be run at all. */
export function runs(command: string, ...args: readonly string[]): boolean {
  return said(command, ...args) !== null
}

/** The folder with the programs of PostgreSQL's server, or null. */
export function postgresFolder(): string | null {
  const folder = said('pg_config', '--bindir')
  return folder !== null && existsSync(join(folder, 'initdb')) ? folder : null
}

/** Who runs the server: it refuses root. */
export function postgresOwner(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  return { uid: Number(said('id', '-u', 'postgres')), gid: Number(said('id', '-g', 'postgres')) }
}

function said(command: string, ...args: readonly string[]): string | null {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}
