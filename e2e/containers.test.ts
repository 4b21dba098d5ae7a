import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { allotPort } from '../src/agent/ports.ts'
import { hasEngine, startEngine, type TestEngine } from './support/docker.ts'
import { type Platform, startPlatform } from './support/platform.ts'

const nothing = { containers: 0, networks: 0, volumes: 0, images: 0 }

describe('with a Docker Engine', { skip: hasEngine ? false : 'there is no dockerd on this machine' }, () => {
  let engine: TestEngine
  let platform: Platform
  before(async () => {
    engine = await startEngine()
    platform = await startPlatform({ env: { DOCKER_HOST: engine.host } })
  })
  after(async () => {
    await platform?.destroy()
    await engine?.[Symbol.asyncDispose]()
  })

  const pushed = async (name: string, jobs: string, files: Record<string, string> = {}): Promise<string> => {
    const workflow = `on: push\njobs:\n${jobs}`.replaceAll('#{', '${{')
    const repository = await platform.repository(name, { ...files, '.github/workflows/ci.yml': workflow })
    const { output } = await repository.push()
    rmSync(repository.directory, { recursive: true, force: true })
    return output
  }

  test('a job runs in its container, beside its services, and nothing of either is left', async () => {
    const port = await allotPort(new Set(), Math.random)
    const output = await pushed(
      'contained',
      `
  inside:
    runs-on: ubuntu-latest
    container:
      image: local/base:1
      env: { GREETING: hello }
      volumes: ["cache:/cache"]
    outputs: { said: "#{ steps.say.outputs.said }}" }
    services:
      db:
        image: local/base:1
        env: { NAME: the-database }
        options: >-
          --entrypoint /usr/bin/serve --health-cmd "test -e /tmp/ready || { touch /tmp/ready; false; }"
          --health-interval 1s --health-retries 5
    steps:
      - uses: actions/checkout@v4
      - run: |
          test -f .github/workflows/ci.yml
          test "$(id -u)" = 0
          test "$GREETING" = hello
          test -w /cache
          test ! -e /usr/bin/python3
          touch "$HOME/by-root"
          sleep 500 > /dev/null 2>&1 &
      - id: say
        shell: bash
        run: |
          grep -q sleep /proc/[0-9]*/cmdline
          exec 3<>/dev/tcp/headway.localhost/#{ '$' }}{GITHUB_SERVER_URL##*:}
          printf 'GET /healthz HTTP/1.0\\r\\nHost: headway.localhost\\r\\n\\r\\n' >&3
          cat <&3 | grep -q ^HTTP
          exec 4<>/dev/tcp/db/5432
          test "$(cat <&4)" = the-database
          echo "said=#{ job.container.network != '' && 'network' }}" >> "$GITHUB_OUTPUT"
  as-another-user:
    runs-on: ubuntu-latest
    container: { image: "local/base:1", options: --user app }
    steps:
      - run: test "$(id -un)" = app && touch mine && echo x=1 >> "$GITHUB_OUTPUT"
  on-the-host:
    needs: inside
    runs-on: ubuntu-latest
    services:
      cache: { image: "local/base:1", ports: ["80", "${port}:81"], options: --entrypoint /usr/bin/serve }
    steps:
      - run: |
          test "#{ needs.inside.outputs.said }}" = network
          test "#{ job.services.cache.ports['81'] }}" = ${port}
          test "#{ job.services.cache.ports['80'] }}" -gt 1024
`,
    )
    assert.match(output, /inside/)
    assert.doesNotMatch(output, /fail/i, output)
    assert.deepEqual(await engine.labelled(), nothing)
  })

  test('container actions are built and run beside the steps, and what they make belongs to the job', async () => {
    const output = await pushed(
      'acting',
      `
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: act
        uses: ./action
        with: { who: world }
      - run: |
          test "#{ steps.act.outputs.greeting }}" = "hello world"
          test "$(cat made-by-the-action)" = "hello world"
          rm made-by-the-action
      - uses: docker://local/base:1
        with: { entrypoint: /bin/sh, args: '-c "test -f /github/workspace/action/action.yml"' }
`,
      {
        'action/action.yml':
          'name: greet\ninputs: { who: { required: true } }\noutputs: { greeting: {} }\nruns:\n  using: docker\n  image: Dockerfile\n  args: ["${{ inputs.who }}"]\n',
        'action/Dockerfile': 'FROM local/base:1\nCOPY greet /greet\nENTRYPOINT ["/bin/sh", "/greet"]\n',
        'action/greet': 'echo "hello $1" > made-by-the-action\necho "greeting=hello $1" >> "$GITHUB_OUTPUT"\n',
      },
    )
    assert.doesNotMatch(output, /fail/i, output)
    assert.deepEqual(await engine.labelled(), nothing)
  })

  test('a service that does not become healthy, or ends, fails the job with its last words before any step', async () => {
    const output = await pushed(
      'ailing',
      `
  a:
    runs-on: ubuntu-latest
    services:
      db: { image: "local/base:1", options: '--entrypoint /usr/bin/fails --health-cmd true' }
    steps: [{ run: echo reached-a-step }]
`,
    )
    assert.match(output, /the service db \(local\/base:1\) did not start: it ended with exit code 3/)
    assert.match(output, /out of order/)
    assert.doesNotMatch(output, /reached-a-step$/m)
    const unhealthy = await pushed(
      'unhealthy',
      `
  a:
    runs-on: ubuntu-latest
    services:
      db:
        image: local/base:1
        options: >-
          --entrypoint /usr/bin/serve --health-cmd "echo the check says no; exit 1" --health-interval 1s --health-retries 1
    steps: [{ run: echo reached-a-step }]
`,
    )
    assert.match(
      unhealthy,
      /it is unhealthy, its health check ended with exit code 1 and said: the check says no; it printed nothing/,
    )
    assert.doesNotMatch(unhealthy, /reached-a-step$/m)
    assert.deepEqual(await engine.labelled(), nothing)
  })

  test('what would open the machine is refused, and so is an image that nobody has', async () => {
    const job = (container: string): string =>
      `  a:\n    runs-on: ubuntu-latest\n    container: ${container}\n    steps: [{ run: 'true' }]\n`
    const refusals: readonly (readonly [string, RegExp])[] = [
      ['{ image: "local/base:1", options: --privileged }', /options: --privileged is not allowed/],
      ['{ image: "local/base:1", volumes: ["/:/host"] }', /would show the job a folder of this machine/],
      ['nowhere.invalid/none:1', /the image nowhere\.invalid\/none:1 cannot be had/],
    ]
    for (const [index, [container, reason]] of refusals.entries())
      assert.match(await pushed(`refused-${index}`, job(container)), reason)
    assert.deepEqual(await engine.labelled(), nothing)
  })

  test('a fork bomb and a memory hog in a container end their job with the reason', async () => {
    const job = (script: string): string =>
      `  a:\n    runs-on: ubuntu-latest\n    container: local/base:1\n    steps: [{ shell: bash, run: '${script}' }]\n`
    assert.match(await pushed('bomb', job(':(){ :|:& };:; sleep 60')), /the job was ended: more than \d+ processes/)
    const hog = 'head -c 64G /dev/zero | tail; sleep 60'
    assert.match(await pushed('hog', job(hog)), /the job was ended: more than [\d.]+ [GM]iB of memory/)
  })

  test('a killed Headway removes, when it starts again, what its jobs had, and runs them anew', async () => {
    const push = pushed(
      'interrupted',
      `
  a:
    runs-on: ubuntu-latest
    container: local/base:1
    services: { db: { image: "local/base:1", options: --entrypoint /usr/bin/serve } }
    steps: [{ run: sleep 4 }]
`,
    ).catch(String)
    for (let tries = 0; (await engine.labelled()).containers < 2; tries += 1) {
      assert.ok(tries < 300, 'the containers never came')
      await delay(100)
    }
    await platform.crash()
    await push
    await platform.restart()
    for (let tries = 0; ; tries += 1) {
      const runs = JSON.parse((await platform.headway('runs', '--json', '--repository', 'interrupted')).stdout || '[]')
      if (JSON.stringify(runs).includes('"success"')) break
      assert.ok(tries < 300, `the run never ended: ${JSON.stringify(runs)}`)
      await delay(200)
    }
    const until = performance.now() + 60_000 // the engine takes its time over what it removes
    while ((await engine.labelled()).containers > 0 && performance.now() < until) await delay(100)
    assert.deepEqual(await engine.labelled(), nothing)
  })
})
