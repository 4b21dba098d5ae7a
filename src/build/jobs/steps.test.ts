import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFact } from '../../ledger/fact.ts'
import { jobFinished } from '../facts.ts'
import type { BuildParts } from '../index.ts'
import { openTestBuild } from '../testing.ts'

type Files = Readonly<Record<string, string>>

/** Runs a job of these steps and gives what it printed itself, and how it ended; `#{` stands for `${{`. */
const run = async (steps: string, files: Files = {}, overrides: Partial<BuildParts> = {}) => {
  await using build = await openTestBuild(overrides)
  const texts = {
    ...files,
    '.github/workflows/ci.yml': `on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n${steps}`,
  }
  const pushed = await build.push(
    Object.fromEntries(Object.entries(texts).map(([path, text]) => [path, text.replaceAll('#{', '${{')])),
  )
  const verified = await build.verified(pushed)
  const finished = (await build.facts()).find((one) => isFact(jobFinished, one))
  assert.ok(finished && isFact(jobFinished, finished), verified.failure?.detail)
  const lines: string[] = []
  let isInHead = false
  for (const line of await build.log(pushed, 'job')) {
    if (line.startsWith('##[group]')) isInHead = true
    else if (line === '##[endgroup]') isInHead = false
    else if (!isInHead) lines.push(line)
  }
  return { ...finished.payload, lines, runs: verified.runs }
}

test('what a step says of places in the code becomes annotations, and problem matchers find more', async () => {
  const matcher = JSON.stringify({
    problemMatcher: [
      {
        owner: 'lint',
        severity: 'warning',
        pattern: [{ regexp: '^(.+):(\\d+): (.+)$', file: 1, line: 2, message: 3 }],
      },
    ],
  })
  const { annotations, lines, conclusion } = await run(
    `
      - uses: actions/checkout@v4
      - name: Check
        run: |
          echo "::error file=src/a.js,line=3,endLine=4,title=Oh::It broke"
          echo "::notice file=$PWD/src/b.js::see"
          echo "::add-matcher::lint.json"
          echo "src/a.js:7: too long"
          echo "absent.js:1: unknown"
          echo "::remove-matcher owner=lint::"
          echo "src/a.js:8: not looked at"
          echo "::add-matcher::/etc/shadow"
        continue-on-error: true
      - run: exit 3
`,
    { 'lint.json': matcher, 'src/a.js': '' },
  )
  const nowhere = { file: null, line: null, endLine: null, column: null, endColumn: null, title: null }
  assert.equal(conclusion, 'failure')
  assert.deepEqual(annotations, [
    {
      ...nowhere,
      level: 'failure',
      message: 'It broke',
      title: 'Oh',
      file: 'src/a.js',
      line: 3,
      endLine: 4,
      step: 'Check',
    },
    {
      ...nowhere,
      level: 'failure',
      message: "Unable to process command '::add-matcher::/etc/shadow' successfully.",
      step: 'Check',
    },
    { ...nowhere, level: 'failure', message: "/etc/shadow is outside of the job's directories", step: 'Check' },
    { ...nowhere, level: 'failure', message: 'Process completed with exit code 3.', step: 'Run exit 3' },
    { ...nowhere, level: 'warning', message: 'too long', file: 'src/a.js', line: 7, step: 'Check' },
    { ...nowhere, level: 'warning', message: 'unknown', line: 1, step: 'Check' },
    { ...nowhere, level: 'notice', message: 'see', file: 'src/b.js', step: 'Check' },
  ])
  assert.ok(lines.includes('##[warning]src/a.js:7: too long') && lines.includes('src/a.js:8: not looked at'))
})

test('a step that throws is tolerated where it says so, and one without a tool names the tool', async () => {
  const { steps, lines, conclusion } = await run(
    `
      - { uses: actions/setup-node@v4, with: { node-version: "99" }, continue-on-error: true, id: node }
      - { run: "x", shell: nowhere {0}, continue-on-error: "#{ true }}" }
      - run: echo "#{ steps.node.outcome }} #{ steps.node.conclusion }}"
      - { run: nothing-like-this --version, continue-on-error: true }
      - { run: 'true', if: "#{ github.ref_name == 'main' }}" }
      - { run: 'exit 1', continue-on-error: "#{ github.ref_name }}" }
`.replace('nowhere {0}', '"nowhere {0}"'),
  )
  assert.equal(conclusion, 'failure')
  assert.deepEqual(
    steps.map(({ outcome, conclusion: after }) => `${outcome}/${after}`),
    ['failure/success', 'failure/success', 'success/success', 'failure/success', 'success/success', 'failure/failure'],
  )
  assert.ok(lines.includes('failure success'))
  assert.match(lines[1] ?? '', /^##\[warning\]Run x: nowhere is not on this machine for the job's user: looked in/)
  assert.ok(
    lines.some((line) => /: it ended with exit code 127: nothing-like-this is not on this machine/.test(line)),
    lines.join('\n'),
  )
  assert.match(lines.at(-2) ?? '', /^##\[error\]Run exit 1: continue-on-error: true or false was expected, not "main"/)
})

test('debug messages are shown when the project asks for them, and its word true is not hidden for that', async () => {
  const steps = `
      - run: echo "::debug::inside"; echo "it is true $RUNNER_DEBUG [#{ runner.debug }}]"
`
  assert.deepEqual((await run(steps)).lines, ['it is true  []'])
  const secrets = async (_: unknown, names: readonly string[]): Promise<Record<string, string>> =>
    names.includes('ACTIONS_STEP_DEBUG') ? { ACTIONS_STEP_DEBUG: 'true' } : {}
  const { lines } = await run(steps, {}, { settings: { secrets, variables: async () => ({}) } })
  assert.deepEqual(lines, ['##[debug]inside', 'it is true 1 [1]'])
})

test('variables: the job’s, then GITHUB_ENV, then the step’s; what Headway says of the run nobody overwrites', async () => {
  const { lines, conclusion, annotations } = await run(
    `
      - run: |
          echo "A=env file" >> $GITHUB_ENV; echo "GITHUB_SHA=forged" >> $GITHUB_ENV
          echo "NODE_OPTIONS=--inspect" >> $GITHUB_ENV
      - { run: 'echo "$A [$NODE_OPTIONS] $\{GITHUB_SHA#forged} $GITHUB_ACTION"', env: { GITHUB_SHA: forged } }
      - { run: 'echo "$A #{ env.A }} $GITHUB_ACTION"', env: { A: step } }
      - { run: 'echo "$A"; rm "$GITHUB_OUTPUT"; ln -s /etc/passwd "$GITHUB_ENV.x"; mv "$GITHUB_ENV.x" "$GITHUB_ENV"', id: named }
`.replace('$\\{', '${'),
  )
  assert.equal(lines[0], '##[error]GITHUB_ENV cannot set NODE_OPTIONS')
  assert.match(lines[1] ?? '', /^env file \[\] [0-9a-f]{40} __run_2$/)
  assert.deepEqual(lines.slice(2, 4), ['step step __run_3', 'env file'])
  assert.match(lines[4] ?? '', /GITHUB_ENV: ELOOP/)
  assert.equal(conclusion, 'failure')
  assert.deepEqual(
    annotations?.map(({ message }) => message.split(' ', 2).join(' ')),
    ['GITHUB_ENV cannot', 'GITHUB_ENV: ELOOP:'],
  )
})

test('hashFiles: patterns, exclusions, folders and links; nothing beyond the workspace', async () => {
  const { lines } = await run(
    `
      - uses: actions/checkout@v4
      - run: ln -s ../../../../../etc/hostname outside; ln -s sub/deep linked; ln -s a.txt alias
      - run: |
          is() { if [ "$1" = "$2" ]; then echo same; else echo other; fi; }
          is "#{ hashFiles('**/*.txt', '!sub/**', '!alias') }}" "#{ hashFiles('a.txt') }}"
          is "#{ hashFiles('sub') }}" "#{ hashFiles('sub/**') }}"
          is "#{ hashFiles(format('{0}/sub/deep/c.txt', github.workspace)) }}" "#{ hashFiles('/sub/deep/*.txt') }}"
          is "#{ hashFiles('linked/**') }}" ""
          is "#{ hashFiles('--follow-symbolic-links', 'linked/**') }}" "#{ hashFiles('sub/deep/**') }}"
          is "#{ hashFiles('/etc/**', '../**', 'absent') }}" ""
          is "#{ hashFiles('alias') }}" "#{ hashFiles('a.txt') }}"
          is "#{ hashFiles('a.txt') }}" "#{ hashFiles('sub/b.txt') }}"
`,
    { 'a.txt': 'a', 'sub/b.txt': 'b', 'sub/deep/c.txt': 'c' },
  )
  assert.deepEqual(lines.slice(1), ['same', 'same', 'same', 'same', 'same', 'same', 'same', 'other'])
})

test('a command may still do what GitHub has deprecated, and what is unsafe only where the workflow allows it', async () => {
  const { lines, conclusion } = await run(`
      - { id: old, run: 'echo "::set-output name=a::1%0A2"; echo "##[set-output name=b;]x%5D"' }
      - run: |
          echo "::set-env name=E::set"; echo "::add-path::$PWD"; printf '#!/bin/sh\\necho mine\\n' > tool; chmod +x tool
        env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: "true" }
      - run: echo "#{ toJSON(steps.old.outputs.a) }} #{ steps.old.outputs.b }} $E"; tool
      - run: echo "::set-env name=E::no"
`)
  assert.deepEqual(lines.slice(0, 2), ['1n2 x] set', 'mine'])
  assert.equal(conclusion, 'failure')
})
