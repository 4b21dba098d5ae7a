import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Home, homeAt, prepareHome } from '../home.ts'

// `node src/scenes/<room>.testing.ts NAME DIRECTORY` plays one scene that an ordinary life does not hold, and prints what is so at its
// end. `marks.test.ts` kills it at its failpoints and plays it again in the same directory. Each play is a process of its own, so a file
// of scenes imports its room and no other.

/** Plays the scene that the command line names. */
export const playScene = async (
  scenes: Readonly<Record<string, (directory: string) => Promise<unknown>>>,
): Promise<never> => {
  const [, , name = '', directory = ''] = process.argv
  const scene = scenes[name]
  if (!scene) throw new Error(`there is no scene ${name}`)
  console.log(JSON.stringify(await scene(directory)))
  process.exit(0)
}

export const homeIn = (directory: string): Home => {
  const home = homeAt(join(directory, 'home'), {})
  prepareHome(home)
  return home
}

/** What stands before the curtain rises; made once, however often the scene is played. */
export const given = async (directory: string, make: () => unknown): Promise<void> => {
  const done = join(directory, 'given')
  if (existsSync(done)) return
  await make()
  writeFileSync(done, '')
}

export const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : [])

/** Runs the command line; killed there, this process ends in the same way. */
export const headway = async (cwd: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> => {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts'), ...words], {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const [code, signal] = await once(child, 'exit')
  if (signal === 'SIGKILL') process.kill(process.pid, 'SIGKILL')
  return Number(code)
}
