import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from '@swc/core'

/**
 * `npm run effects`: every call that changes the world outside memory stands inside `effect('<room>.<what>', ...)`, so that the
 * crash tests can kill the process on both sides of it. Reads the source's syntax tree; no call is run.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Calls that change the world. Readers and pure functions are not here. */
const changing = new Set([
  ...[
    'writeFile',
    'appendFile',
    'rename',
    'rm',
    'rmdir',
    'unlink',
    'link',
    'symlink',
    'copyFile',
    'cp',
    'truncate',
    'ftruncate',
    'chown',
    'lchown',
  ].flatMap((name) => [name, `${name}Sync`]),
  'spawn',
  'spawnSync',
  'fork',
  'execFile',
  'createWriteStream',
  'execFileSync',
  'kill',
  'sendSignal',
  'signalGroup',
  'killGroup',
  'killTree',
])

/**
 * Files, or functions of them (`file#function`), whose whole purpose is such a call, made on behalf of a caller who marks it, or whose
 * loss changes nothing; each with its reason.
 */
const marked: Readonly<Record<string, string>> = JSON.parse(readFileSync(join(root, 'scripts/effects.json'), 'utf8'))

type Node = { type?: string; span?: { start: number }; [key: string]: unknown }
const problems: string[] = []
const used = new Set<string>()
const names = new Map<string, string>()

for (const file of globSync('src/**/*.ts', { cwd: root }).sort()) {
  if (/(\.test|testing|\/contract)\.ts$/.test(file) || file === 'src/effect.ts') continue
  const source = readFileSync(join(root, file), 'utf8')
  const bytes = Buffer.from(source)
  const tree = parseSync(source, { syntax: 'typescript', target: 'esnext' })
  // swc counts positions in bytes over all files it has parsed in this process; the module starts at its first token.
  const begin = tree.span.start - leadingBytes(source)
  const lineAt = (start: number): number =>
    bytes
      .subarray(0, start - begin)
      .toString()
      .split('\n').length

  const walk = (node: unknown, inside: boolean, within: string): void => {
    if (Array.isArray(node)) {
      for (const child of node) walk(child, inside, within)
      return
    }
    if (node === null || typeof node !== 'object') return
    const call = node as Node
    let held = inside
    const home = functionOf(call) ?? within
    if (call.type === 'CallExpression') {
      const callee = nameOf(call.callee)
      const at = `${file}:${lineAt(call.span?.start ?? 0)}`
      if (callee === 'effect' || callee === 'effectSync') {
        held = true
        noteName(call, at)
      } else if (callee && changing.has(callee) && !inside && !probes(call) && !excused(file, home)) {
        problems.push(
          `${at}, in ${home || 'the module'}: ${callee}(...) changes the world outside effect(); wrap it in effect('<room>.<what>', ...)`,
        )
      }
    }
    for (const [key, child] of Object.entries(call)) if (key !== 'span') walk(child, held, home)
  }
  walk(tree.body, false, '')
}

for (const place of Object.keys(marked))
  if (!used.has(place)) problems.push(`scripts/effects.json excuses ${place}, where nothing needs it`)

if (process.argv.includes('--list')) console.log([...names.keys()].sort().join('\n'))
else {
  for (const problem of problems) console.error(problem)
  console.log(`${names.size} effects, ${problems.length} outside a failpoint`)
}
process.exitCode = problems.length === 0 ? 0 : 1 // not exit(): whoever reads slowly would miss the rest

function noteName(call: Node, at: string): void {
  const [first] = (call.arguments as { expression: Node }[]) ?? []
  const name = first?.expression.type === 'StringLiteral' ? String(first.expression.value) : null
  if (name === null)
    problems.push(`${at}: the name of an effect is a string literal, so that the crash tests can list it`)
  else if (!/^[a-z]+(\.[a-z0-9-]+)+$/.test(name)) problems.push(`${at}: an effect is named <room>.<what>, not ${name}`)
  else if (names.has(name)) problems.push(`${at}: the effect ${name} has its name from ${names.get(name)} already`)
  else names.set(name, at)
}

/** Whether this place may change the world unmarked; which excuse it took is noted, so that none is kept for nothing. */
function excused(file: string, within: string): boolean {
  const place = [file, `${file}#${within}`].find((one) => one in marked)
  if (place) used.add(place)
  return place !== undefined
}

/** The name that a declaration gives to a function. */
function functionOf(node: Node): string | null {
  if (node.type === 'FunctionDeclaration') return nameOf(node.identifier)
  if (node.type !== 'VariableDeclarator') return null
  const value = node.init as Node | null
  return value?.type === 'ArrowFunctionExpression' || value?.type === 'FunctionExpression' ? nameOf(node.id) : null
}

/** Signal 0 asks whether a process is there, and changes nothing. */
function probes(call: Node): boolean {
  const [, second] = (call.arguments as { expression: Node }[]) ?? []
  return nameOf(call.callee) === 'kill' && second?.expression.type === 'NumericLiteral' && second.expression.value === 0
}

function nameOf(callee: unknown): string | null {
  const node = callee as Node
  if (node.type === 'Identifier') return String(node.value)
  if (node.type === 'MemberExpression') return nameOf(node.property)
  return null
}

function leadingBytes(source: string): number {
  const rest = source.replace(/^(\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*/, '')
  return Buffer.byteLength(source) - Buffer.byteLength(rest)
}
