import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import type { Language, LanguagePlan } from '../service.ts'
import { lockFiles, packageOf, stepsOf } from './node.ts'
import { startOf } from './shell.ts'

const server = '.headway/static-server.mjs'
/** Where sites and their builds are found, in order of preference. */
const outputs = ['dist', 'build', 'public', 'out', '_site'] as const

export const static_: Language = {
  name: 'static',
  detect: ['index.html', 'public', 'dist'],
  lockFiles,
  dependencies: ['node_modules'],
  reads: ['package.json', '.node-version', '.nvmrc'],
  plan: (folder, service): LanguagePlan => {
    const steps = stepsOf(folder, service, packageOf(folder))
    const present = outputs.filter((name) => folder.names.includes(name))
    // What a build will write is known when the server starts: it takes the first of them that is there.
    const roots = steps.build.length > 0 ? [...outputs] : present.length > 0 ? present.slice(0, 1) : ['.']
    return {
      // The server is Headway's own and runs on the Node that runs Headway; a range is the build's matter only.
      toolchain: { program: 'node', range: null },
      ...steps,
      installForProduction: [],
      start: service.commands.start ? startOf(service.commands.start) : ['node', server, ...roots],
      env: { CI: 'true' },
      startEnv: { NODE_ENV: 'production' },
      include: roots[0] === '.' ? null : roots,
      exclude: ['.git', '.github', '.headway', 'node_modules', 'headway.yaml', 'package.json', ...lockFiles],
      extras: { [server]: serverSource() },
    }
  },
}

/** The static server as a file that any Node runs: the emitted one of an installed Headway, else the source without its types. */
const serverSource = (): string => {
  const emitted = new URL('../static-server.js', import.meta.url)
  if (existsSync(emitted)) return readFileSync(emitted, 'utf8')
  return stripTypeScriptTypes(readFileSync(new URL('../static-server.ts', import.meta.url), 'utf8'))
}
