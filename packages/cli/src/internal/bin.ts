#!/usr/bin/env node
/// <reference types="node" />
/** The process around `main`: arguments, files, streams and the exit code. */
import { readFile, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { systemPorts } from '@postern/core/systemRuntime'
import { main } from '../main.js'
import { openStore } from './open.js'

const ports = systemPorts()
process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  read: (path) => readFile(path),
  // `wx`: a key that exists is never written over; 0600: nobody else reads it.
  create: (path, bytes) => writeFile(path, bytes, { flag: 'wx', mode: 0o600 }),
  open: (url) => openStore(url, (path) => readFile(path, 'utf8')),
  ports,
})
