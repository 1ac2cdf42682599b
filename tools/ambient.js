// @ts-check
// Clocks, randomness, environment and network come through ports: what one seed cannot reach has no place in a package.
import ts from 'typescript'
import { packages, read, sources } from './tree.js'

/** The runtime adapters: where the ports are made from the platform's own. */
const adapters = [
  'packages/core/src/systemRuntime.ts',
  /^packages\/core\/src\/crypto\//,
  /^packages\/client\/src\/(keystore|storage)\//,
  'packages/cli/src/main.ts',
  /^packages\/cli\/src\/internal\//,
  'packages/testkit/src/crash.ts',
  'packages/testkit/src/proxy.ts',
  /^packages\/testkit\/src\/(servers\.ts|internal\/servers\/)/,
]

const names = new Set(['Date.now', 'Math.random', 'process.env', 'globalThis.fetch', 'performance.now', 'crypto.getRandomValues'])
const calls = new Set(['fetch', 'setTimeout', 'setInterval'])
/** The engine's own transcendental functions differ between engines; one score must be the same bytes everywhere. */
const inexact = new Set([
  'Math.log',
  'Math.exp',
  'Math.pow',
  'Math.sin',
  'Math.cos',
  'Math.atan',
  'Math.atan2',
  'Math.asin',
  'Math.log2',
  'Math.log10',
])

/** @returns {string[]} one line a breach */
export function ambient() {
  const breaches = []
  for (const name of packages())
    for (const file of sources(name)) {
      if (adapters.some((adapter) => (typeof adapter === 'string' ? adapter === file : adapter.test(file)))) continue
      const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022, true)
      /** @param {string} what @param {ts.Node} node */
      const breach = (what, node) =>
        breaches.push(
          `${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${what} belongs to a runtime port`,
        )
      /** @param {ts.Node} node */
      const visit = (node) => {
        if (ts.isPropertyAccessExpression(node)) {
          const text = node.getText(source)
          if (names.has(text) || (name === 'anomaly' && inexact.has(text))) breach(text, node)
        }
        if (ts.isNewExpression(node) && node.expression.getText(source) === 'Date' && (node.arguments?.length ?? 0) === 0)
          breach('new Date()', node)
        if (
          ts.isCallExpression(node) &&
          ts.isIdentifier(node.expression) &&
          calls.has(node.expression.text) &&
          !declared(node, node.expression.text)
        )
          breach(`${node.expression.text}()`, node)
        ts.forEachChild(node, visit)
      }
      visit(source)
    }
  return breaches
}

/** Whether an enclosing function or file binds the name itself, as a parameter or variable. @param {ts.Node} node @param {string} name */
function declared(node, name) {
  for (let scope = /** @type {ts.Node | undefined} */ (node); scope; scope = scope.parent) {
    let found = false
    /** @param {ts.Node} child */
    const look = (child) => {
      if (found) return
      if (
        (ts.isParameter(child) || ts.isVariableDeclaration(child) || ts.isBindingElement(child)) &&
        ts.isIdentifier(child.name) &&
        child.name.text === name
      )
        found = true
      else if (ts.isFunctionDeclaration(child) && child.name?.text === name) found = true
      else if (!ts.isFunctionLike(child) || child === scope) ts.forEachChild(child, look)
      else
        for (const parameter of /** @type {ts.SignatureDeclaration} */ (child).parameters ?? [])
          if (child === scope) look(parameter)
    }
    if (ts.isFunctionLike(scope) || ts.isSourceFile(scope)) look(scope)
    if (found) return true
  }
  return false
}
