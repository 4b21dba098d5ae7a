import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { killedAt, marksToKillAt, patienceMs, sideBySide } from '../kills.testing.ts'

const execute = promisify(execFile)
const atOnce = 4 // a life waits for most of its time

const onBothSides = [
  'agent.instance-spawn',
  'agent.lock-take',
  'agent.record-save',
  'agent.routes-save',
  'agent.stop-signal',
]

const live = async (program: string, env: Readonly<Record<string, string>>): Promise<string> => {
  try {
    const { stdout } = await execute(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
      env: { ...process.env, ...env },
      timeout: 120_000,
    })
    return stdout
  } catch (error) {
    return String(error)
  }
}

/** Lives once without a kill, and then once for each mark to kill at that was passed and is not left out; the marks that were passed. */
const killedEverywhere = async (program: string, isLeftOut: (mark: string) => boolean, directory: string) => {
  const trace = join(directory, 'trace')
  const expected = await live(program, { HEADWAY_FAILPOINT_TRACE: trace })
  assert.match(expected, /nothing runs/)
  const passed = readFileSync(trace, 'utf8').trim().split('\n')
  const isOurs = (mark: string): boolean => /^(agent\.|processes\.cgroup-)/.test(mark)
  const marks = [...new Set(passed)].filter((mark) => isOurs(mark) && !isLeftOut(mark))
  const unequal: string[] = []
  const suffer = async (mark: string): Promise<void> => {
    const kills = join(directory, mark.replaceAll(':', '-'))
    mkdirSync(kills)
    const ended = await live(program, killedAt(mark, kills))
    if (ended !== expected) unequal.push(`${mark}\n${ended}`)
    if (!existsSync(join(kills, 'kill-1'))) unequal.push(`${mark}: nothing was killed there`)
  }
  await sideBySide(marksToKillAt(marks, onBothSides), suffer, atOnce)
  assert.deepEqual(unequal, [])
  return marks
}

const lives = [
  { file: 'life.testing.ts', passes: ['agent.instance-spawn'] },
  {
    file: 'rough-life.testing.ts',
    passes: [
      ...[
        'agent.log-rotate',
        'agent.record-put-aside',
        'agent.record-drop',
        'agent.unknown-kill',
        'agent.leftover-kill',
      ],
      ...[
        'agent.stop-kill',
        'agent.listening-mend',
        'agent.journal-rotate',
        'agent.journal-remove',
        'agent.spool-empty',
      ],
      'agent.events-compact',
    ],
  },
  { file: 'hung-edge-life.testing.ts', passes: ['agent.edge-kill', 'agent.edge-shed'] },
]

test('killed at its marks, an agent ends in the same place', { timeout: patienceMs }, async (context) => {
  const known = new Set<string>()
  for (const { file, passes } of lives) {
    const directory = mkdtempSync(join(tmpdir(), 'hw-marks-'))
    context.after(() => rmSync(directory, { recursive: true }))
    // Another life passes these for certain, this one only when it is slow.
    const sure = lives.flatMap((other) => (other.file === file ? [] : other.passes))
    const isLeftOut = (mark: string): boolean => known.has(mark) || sure.includes(mark.replace(/:\w+$/, ''))
    const marks = await killedEverywhere(join(import.meta.dirname, file), isLeftOut, directory)
    for (const mark of marks) known.add(mark)
    context.diagnostic(`${file}: ${marks.length} marks`)
    for (const name of passes) assert.ok(known.has(`${name}:before`), `${file} does not pass ${name}`)
  }
  assert.ok(known.size > 60)
})
