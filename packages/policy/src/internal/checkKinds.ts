/** Authenticators that a document names must be those of the schema: a misspelt one could never be used. */
import type { Edge, PolicyDocument } from '../document.js'
import type { Schema } from '../schema.js'
import { isMember } from './conditions.js'
import { invalid, under } from './read.js'

/** @throws PosternError `policy.document_invalid` */
export function checkKinds(schema: Schema, doc: PolicyDocument): void {
  const spec = schema.spec.facts['authenticator.usable']
  if (spec?.type !== 'set') return
  const check = (kind: string, at: string): void => {
    if (!isMember(spec, kind)) throw invalid(at, 'names no authenticator of the schema')
  }
  const checkEdges = (edges: readonly Edge[], at: string): void => {
    edges.forEach(({ from, to }, i) => {
      check(from, `${at}/${i}/from`)
      to.forEach((kind, k) => {
        check(kind, `${at}/${i}/to/${k}`)
      })
    })
  }
  for (const key of Object.keys(doc.acr.levels)) for (const kind of key.split('+')) check(kind, under('/acr/levels', key))
  checkEdges(doc.fallback, '/fallback')
  doc.rules.forEach((rule, i) => {
    if (rule.effect !== 'require') return
    const at = `/rules/${i}/require`
    rule.require.anyOf?.forEach((set, k) => {
      set.forEach((kind, n) => {
        check(kind, `${at}/anyOf/${k}/${n}`)
      })
    })
    if (typeof rule.require.fallback === 'object') checkEdges(rule.require.fallback, `${at}/fallback`)
  })
}
