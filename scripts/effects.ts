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
])

/** Files whose whole purpose is one such call, made on behalf of a caller who marks it; each with its reason. */
const marked: Readonly<Record<string, string>> = JSON.parse(readFileSync(join(root, 'scripts/effects.json'), 'utf8'))

type Node = { type?: string; span?: { start: number }; [key: string]: unknown }
const problems: string[] = []
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

  const walk = (node: unknown, inside: boolean): void => {
    if (Array.isArray(node)) {
      for (const child of node) walk(child, inside)
      return
    }
    if (node === null || typeof node !== 'object') return
    const call = node as Node
    let within = inside
    if (call.type === 'CallExpression') {
      const callee = nameOf(call.callee)
      const at = `${file}:${lineAt(call.span?.start ?? 0)}`
      if (callee === 'effect' || callee === 'effectSync') {
        within = true
        noteName(call, at)
      } else if (callee && changing.has(callee) && !inside && !(file in marked)) {
        problems.push(
          `${at}: ${callee}(...) changes the world outside effect(); wrap it in effect('<room>.<what>', ...)`,
        )
      }
    }
    for (const [key, child] of Object.entries(call)) if (key !== 'span') walk(child, within)
  }
  walk(tree.body, false)
}

for (const file of Object.keys(marked))
  if (!globSync(file, { cwd: root }).length) problems.push(`scripts/effects.json names ${file}, which is not there`)

if (process.argv.includes('--list')) for (const name of [...names.keys()].sort()) console.log(name)
else {
  for (const problem of problems) console.error(problem)
  console.log(`${names.size} effects, ${problems.length} outside a failpoint`)
}
process.exit(problems.length === 0 ? 0 : 1)

function noteName(call: Node, at: string): void {
  const [first] = (call.arguments as { expression: Node }[]) ?? []
  const name = first?.expression.type === 'StringLiteral' ? String(first.expression.value) : null
  if (name === null)
    problems.push(`${at}: the name of an effect is a string literal, so that the crash tests can list it`)
  else if (!/^[a-z]+(\.[a-z0-9-]+)+$/.test(name)) problems.push(`${at}: an effect is named <room>.<what>, not ${name}`)
  else if (names.has(name)) problems.push(`${at}: the effect ${name} has its name from ${names.get(name)} already`)
  else names.set(name, at)
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
