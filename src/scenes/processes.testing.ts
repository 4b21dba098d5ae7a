import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { systemClock as clock } from '../clock.ts'
import { isOwner, ownOwner, sweepCgroups } from '../processes/cgroup-owners.ts'
import { openCgroups } from '../processes/cgroups.ts'
import { identityOf } from '../processes/tree.ts'
import { namesIn, playScene } from './scene.testing.ts'

await playScene({
  'control groups of a home that is gone': async (directory) => {
    const [left, used] = [join(directory, 'cgroup', 'headway-gone'), join(directory, 'cgroup', 'headway-used')]
    const gone = ownOwner().replace(/^\.owner-\d+/, '.owner-4194304')
    for (const group of [join(left, 'job.1'), join(left, gone), join(used, 'job.1'), join(used, ownOwner())])
      mkdirSync(group, { recursive: true })
    await sweepCgroups([join(directory, 'cgroup')])
    return [namesIn(join(directory, 'cgroup')), namesIn(used).includes('job.1')]
  },

  'control groups of version 2, and one with somebody in it': async (directory) => {
    const root = join(directory, 'cgroup')
    const group = join(root, 'service')
    mkdirSync(group, { recursive: true })
    const files = { controllers: 'memory cpu pids', events: '', procs: '7', subtree_control: '' }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(group, `cgroup.${file}`), text)
    writeFileSync(join(root, 'cgroup.controllers'), 'memory cpu pids') // the rest of the top is not ours
    openCgroups('ours', clock, () => {}, root, '/service')
    const name = `headway-scene-${process.ppid}-${basename(directory)}`
    const real = openCgroups(name, clock, () => {})
    if (!real.enforced) return 'no control groups here'
    const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    const pid = left.pid ?? 0
    try {
      real.prepare('left.1', { memoryBytes: null, cpus: null, processes: null })
      real.place('left.1', pid)
      await real.remove('left.1')
      return [
        namesIn(join(group, 'ours')).filter((one) => !isOwner(one)),
        namesIn(join(group, 'headway-here')),
        real.ids(),
        identityOf(pid),
      ]
    } finally {
      left.kill('SIGKILL')
      real.close()
    }
  },
})
