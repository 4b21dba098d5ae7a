import { type ChildProcess, spawn } from 'node:child_process'
import { edgeStdio } from './launch.ts'

// Holds the listening socket (descriptor 3) for the edge's tests without ever accepting on it, and starts edges with it, as an agent does.
// A process of its own, because Node accepts on every socket that it listens on itself.
export type HolderOrder =
  | { readonly start: { command: string; args: string[]; env: NodeJS.ProcessEnv } }
  | { readonly letGo: number }
export type HolderNews =
  | { readonly started: number }
  | { readonly exited: number; readonly outcome: NodeJS.Signals | number | null }

const children = new Map<number, ChildProcess>()
const tell = (news: HolderNews): void => void process.send?.(news)

process.on('message', (order: HolderOrder) => {
  if ('letGo' in order) {
    children.get(order.letGo)?.stdio[4]?.destroy()
    return
  }
  const { command, args, env } = order.start
  const child = spawn(command, args, { env, detached: true, stdio: edgeStdio('inherit', 3, null) })
  const pid = child.pid ?? 0
  children.set(pid, child)
  child.on('exit', (code, signal) => tell({ exited: pid, outcome: signal ?? code }))
  tell({ started: pid })
})
