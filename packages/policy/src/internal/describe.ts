/** Regions as people write them: conditions, and values of facts. */
import type { Box, Condition, Range, Scalar } from '../document.js'
import { type Attribute, INDEX, MEMBER, sample, TEXT } from './attributes.js'
import { classesIn, type Region, type Space } from './boxes.js'

/** A region as a box of conditions; attributes that it leaves whole, or where it holds only what does not apply, are not mentioned. */
export function boxOf(space: Space, region: Region, only: (a: Attribute) => boolean = () => true): Box {
  const out: Record<string, Condition> = {}
  space.attributes.forEach((a, i) => {
    const classes = classesIn(space, region, i).filter((c) => c < a.classes)
    if (!only(a) || classes.length === a.classes || classes.length === 0) return
    if (a.kind !== MEMBER) out[a.fact] = conditionOf(space, a, classes)
    else {
      const known = (out[a.fact] ?? {}) as { readonly hasAll?: readonly string[]; readonly hasNone?: readonly string[] }
      const name = classes[0] === 1 ? 'hasAll' : 'hasNone'
      out[a.fact] = { ...known, [name]: [...(known[name] ?? []), a.member] }
    }
  })
  return out
}

function conditionOf({ schema }: Space, a: Attribute, classes: readonly number[]): Condition {
  const value = (c: number): Scalar => sample(a, schema, c)
  if (a.kind === INDEX) return classes.length === 1 ? value(classes[0]!) : classes.map(value)
  if (a.kind === TEXT) {
    if (!classes.includes(a.classes - 1)) return classes.length === 1 ? value(classes[0]!) : classes.map(value)
    const others = [...a.texts].filter(([, c]) => !classes.includes(c)).map(([text]) => text)
    return { not: others }
  }
  const ranges: Range[] = []
  for (const [n, c] of classes.entries()) {
    if (n > 0 && classes[n - 1] === c - 1) continue
    let last = c
    while (classes.includes(last + 1)) last++
    ranges.push({
      ...(c === 0 ? {} : { gte: value(c) as number | string }),
      ...(last === a.classes - 1 ? {} : { lt: value(last + 1) as number | string }),
    })
  }
  return ranges.length === 1 ? ranges[0]! : { ranges }
}
