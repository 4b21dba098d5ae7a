import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import { enter } from './cgroup-owners.ts'

/** Where the processes of a group go that is to have groups below it: version 2 lets it have one or the other. */
const here = 'headway-here'
const needed = ['memory', 'pids']
const wanted = [...needed, 'cpu']
const rounds = 20

/**
 * Makes a group of version 2's one tree below which groups can have limits, and returns its directory: at the top where that is ours to
 * write, as it is root's; else in the group that this process is in, whose path is `own`, where that was handed over to us, as systemd does
 * with `Delegate=yes`. Throws an Error that says what stands in the way.
 */
export const openOwnTree = (root: string, name: string, own = ownGroup()): string => {
  const mine = own === null ? root : join(root, own.endsWith(`/${here}`) ? dirname(own) : own)
  let refusal = ''
  for (const base of new Set([root, mine])) {
    const fault = faultOf(base)
    if (fault === null) return openBelow(base, name)
    refusal = fault
  }
  throw new Error(
    `${refusal}; systemd hands a part of the control groups to a service or a scope that has Delegate=yes`,
  )
}

/** proc(5): of version 2 the line has no controllers. Null outside of the tree that is mounted here. */
const ownGroup = (): string | null => {
  const [, path] = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? []
  return path === undefined || path.split('/').includes('..') ? null : path
}

const faultOf = (base: string): string | null => {
  try {
    for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control']) accessSync(join(base, file), constants.W_OK)
    const missing = needed.filter((one) => !controllersOf(base).includes(one))
    return missing.length === 0 ? null : `${base} has no controller of ${missing.join(' and ')}`
  } catch (error) {
    return describeError(error)
  }
}

const controllersOf = (base: string): string[] =>
  readFileSync(join(base, 'cgroup.controllers'), 'utf8').trim().split(/\s+/)

const openBelow = (base: string, name: string): string => {
  const isTop = !existsSync(join(base, 'cgroup.events')) // which alone may have processes and groups
  for (let round = 0; !isTop && round < rounds && processesOf(base).length > 0; round += 1) moveDown(base)
  const tree = join(base, name)
  const handedDown = controllersOf(base).filter((one) => wanted.includes(one))
  effectSync('processes.cgroup-tree', () => {
    enter(tree)
    for (const group of [base, tree])
      writeFileSync(join(group, 'cgroup.subtree_control'), handedDown.map((one) => `+${one}`).join(' '))
  })
  return tree
}

/** Those that are started meanwhile are moved in the next round. */
const moveDown = (base: string): void => {
  effectSync('processes.cgroup-here', () => mkdirSync(join(base, here), { recursive: true }))
  for (const pid of processesOf(base))
    try {
      effectSync('processes.cgroup-move', () => writeFileSync(join(base, here, 'cgroup.procs'), pid))
    } catch {
      // it has ended
    }
}

const processesOf = (base: string): string[] =>
  readFileSync(join(base, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)
