import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { ownOwner } from './cgroup-owners.ts'
import { cgroupNameOf, openCgroups } from './cgroups.ts'

/** The files that the kernel has in a group of version 2. */
const filesOfGroup = ['cgroup.procs', 'memory.max', 'memory.swap.max', 'memory.events', 'memory.stat', 'cpu.weight']
const moreFiles = ['cpu.max', 'pids.max', 'pids.events']

/** A folder that looks like a tree of version 2; what the kernel does, the test does. */
const fakeTree = (context: TestContext) => {
  const root = mkdtempSync(join(tmpdir(), 'hw-cgroups-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const hand = (group: string, controllers = 'cpuset cpu io memory pids\n') => {
    mkdirSync(join(root, group), { recursive: true })
    writeFileSync(join(root, group, 'cgroup.controllers'), controllers)
    for (const file of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(root, group, file), '')
  }
  hand('')
  return {
    hand,
    root,
    write: (file: string, text: string) => writeFileSync(join(root, file), text),
    read: (file: string) => readFileSync(join(root, file), 'utf8'),
    fill: (group: string) => {
      for (const file of [...filesOfGroup, ...moreFiles]) writeFileSync(join(root, group, file), '')
    },
    empty: (group: string) => {
      for (const file of [...filesOfGroup, ...moreFiles]) rmSync(join(root, group, file), { force: true })
    },
  }
}

test('in one tree, as of version 2, a group has its limits, its members and its counts, and goes with the last of them', async (context) => {
  const tree = fakeTree(context)
  const said: string[] = []
  // The kernel takes a group's files away with the group; here they go before it.
  const clock = { ...systemClock, sleep: async () => tree.empty('ours/job') }
  const groups = openCgroups('ours', clock, (message) => said.push(message), tree.root)
  assert.equal(groups.enforced, true)
  for (const file of ['cgroup.subtree_control', 'ours/cgroup.subtree_control'])
    assert.equal(tree.read(file), '+cpu +memory +pids')

  mkdirSync(join(tree.root, 'ours/job'))
  tree.fill('ours/job')
  groups.prepare('job', { memoryBytes: 64 * 1024 ** 2, cpus: 1.5, processes: 20, cpuWeight: 50 })
  const limits = ['memory.max', 'memory.swap.max', 'cpu.weight', 'cpu.max', 'pids.max']
  const read = () => limits.map((file) => tree.read(`ours/job/${file}`))
  assert.deepEqual(read(), ['67108864', '0', '50', '150000 100000', '20'])
  groups.prepare('job', { memoryBytes: null, cpus: null, processes: null })
  assert.deepEqual(read(), ['max', 'max', '100', 'max 100000', 'max'])

  groups.place('job', 41)
  assert.deepEqual([groups.members('job'), groups.ids()], [[41], ['job']])
  await groups.placeSoon('job', 42)
  assert.deepEqual(groups.members('job'), [42])
  tree.write('ours/job/cgroup.procs', '')
  tree.write('ours/job/memory.events', 'low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n')
  tree.write('ours/job/pids.events', 'max 7\n')
  tree.write('ours/job/memory.stat', 'anon 4096\nfile 8192\n')
  const counts = [groups.outOfMemoryKills('job'), groups.refusedForks('job'), groups.memoryBytes('job')]
  assert.deepEqual(counts, [2, 7, 4096])

  await groups.remove('job')
  assert.deepEqual([groups.ids(), groups.members('job'), groups.memoryBytes('job')], [[], [], null])
  assert.deepEqual(said, [])
})

test('a kernel that counts no swap limits the rest; a tree that is not ours to write limits nothing, and both say what they must', (context) => {
  const tree = fakeTree(context)
  const said: string[] = []
  const groups = openCgroups('ours', systemClock, (message) => said.push(message), tree.root)
  mkdirSync(join(tree.root, 'ours/job'))
  tree.write('ours/job/memory.max', '')
  groups.prepare('job', { memoryBytes: 1024, cpus: null, processes: null })
  assert.deepEqual([tree.read('ours/job/memory.max'), said], ['1024', []])

  rmSync(join(tree.root, 'cgroup.subtree_control')) // what cannot be written, even by root
  const none = openCgroups('other', systemClock, (message) => said.push(message), tree.root, null)
  assert.equal(none.enforced, false)
  none.prepare('job', { memoryBytes: 1, cpus: 1, processes: 1 })
  none.place('job', 1)
  assert.deepEqual([none.members('job'), none.ids(), none.memoryBytes('job')], [[], [], null])
  assert.match(
    said.join('\n'),
    /^limits of memory, CPU and processes are not enforced: .*subtree_control.*; systemd hands a part .* Delegate=yes$/,
  )
})

test('where the top is closed, groups are made in the one that was handed over, whose processes move down first', (context) => {
  const tree = fakeTree(context)
  rmSync(join(tree.root, 'cgroup.subtree_control'))
  tree.hand('system.slice/headway.service', 'memory pids')
  tree.write('system.slice/headway.service/cgroup.events', 'populated 1\n')
  tree.write('system.slice/headway.service/cgroup.procs', '7\n')
  const open = (own: string) => openCgroups('ours', systemClock, assert.fail, tree.root, own)
  const groups = open('/system.slice/headway.service')
  assert.equal(groups.enforced, true)
  assert.equal(tree.read('system.slice/headway.service/headway-here/cgroup.procs'), '7')
  for (const file of ['cgroup.subtree_control', 'ours/cgroup.subtree_control'])
    assert.equal(tree.read(`system.slice/headway.service/${file}`), '+memory +pids')

  mkdirSync(join(tree.root, 'system.slice/headway.service/ours/job'))
  const fromBelow = open('/system.slice/headway.service/headway-here')
  assert.deepEqual([groups.ids(), fromBelow.ids()], [['job'], ['job']])
})

test('a group whose controllers do not reach us limits nothing, and says which are missing', (context) => {
  const tree = fakeTree(context)
  rmSync(join(tree.root, 'cgroup.subtree_control'))
  tree.hand('user.slice', 'pids')
  const said: string[] = []
  const groups = openCgroups('ours', systemClock, (message) => said.push(message), tree.root, '/user.slice')
  assert.equal(groups.enforced, false)
  assert.match(said.join('\n'), /user\.slice has no controller of memory; systemd hands/)
  assert.throws(() => tree.read('user.slice/headway-here/cgroup.procs'), /ENOENT/)
})

test('what a killed Headway has left of a home goes, and nothing that somebody uses or may use', async (context) => {
  const tree = fakeTree(context)
  const names = () =>
    readdirSync(tree.root)
      .filter((one) => !one.startsWith('cgroup.'))
      .sort()
  const used = openCgroups(cgroupNameOf('/home/used'), systemClock, () => undefined, tree.root)
  const ended = ownOwner().replace(/^\.owner-\d+/, '.owner-4194304')
  const elsewhere = ended.replace(/\d+$/, '1')
  for (const group of [
    'headway-gone/run.job',
    `headway-gone/${ended}`,
    `headway-busy/${ended}`,
    'headway-busy/run.job',
  ])
    mkdirSync(join(tree.root, group), { recursive: true })
  for (const group of [`headway-elsewhere/${elsewhere}`, 'headway-unknown/run.job', `others/${ended}`])
    mkdirSync(join(tree.root, group), { recursive: true })
  tree.write('headway-busy/run.job/cgroup.procs', '41\n')

  await used.sweepOthers()
  const left = ['headway--home-used', 'headway-busy', 'headway-elsewhere', 'headway-unknown', 'others']
  assert.deepEqual(names(), left)

  // Files that the kernel would take away with the group.
  rmSync(join(tree.root, 'headway--home-used/cgroup.subtree_control'))
  used.close()
  assert.deepEqual(names(), left.slice(1))
})

test('who comes back to a home takes away the notes of those that were killed there, and stays with a group in it', (context) => {
  const tree = fakeTree(context)
  const ended = ownOwner().replace(/^\.owner-\d+/, '.owner-4194304')
  mkdirSync(join(tree.root, 'headway-home', ended), { recursive: true })
  const groups = openCgroups('headway-home', systemClock, () => undefined, tree.root)
  const directories = () => readdirSync(join(tree.root, 'headway-home')).filter((one) => !one.startsWith('cgroup'))
  assert.deepEqual(directories(), [ownOwner()])
  mkdirSync(join(tree.root, 'headway-home/run.job'))
  groups.close()
  assert.deepEqual(directories(), [ownOwner(), 'run.job'])
})
