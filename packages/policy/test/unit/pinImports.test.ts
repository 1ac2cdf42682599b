/// <reference types="node" />
/** A phone that checks a PIN carries nothing of the rule engine. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'

const source = join(import.meta.dirname, '../../src')

function reach(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)\.js'/g))
    reach(join(dirname(file), `${path}.ts`), seen)
  return seen
}

it('pin/* reaches nothing but PIN code and the strict reader', () => {
  const files = new Set(readdirSync(join(source, 'pin')).flatMap((name) => [...reach(join(source, 'pin', name))]))
  const others = [...files].map((file) => relative(source, file)).filter((file) => !/^pin\/|^internal\/pin/.test(file))
  expect(others.sort()).toEqual(['internal/read.ts', 'internal/readPinPolicy.ts'])
})
