import assert from 'node:assert/strict'
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { homeWithNodes } from './support/nodes.ts'
import { execute, launcher, type Platform, startPlatform } from './support/platform.ts'
import { jobsOf, logOf, runsOf } from './support/runs.ts'

/**
 * The workflow that the mission names as its reference, as a team brings it from elsewhere: the code is checked out and tested, an image
 * built, the registry logged in to and pushed to, and the manifest in Git updated, from which the cluster is reconciled. What reaches a
 * cloud or an engine is a stand-in that records how it was called: none is present here.
 */
const workflow = `name: Build and deploy

on:
  push:
    branches: [main]

permissions:
  contents: write

env:
  REGISTRY: 123456789012.dkr.ecr.eu-central-1.amazonaws.com
  IMAGE_NAME: my-service

jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 20
          cache: npm
      - run: npm ci && npm test

  build-and-push:
    needs: test
    runs-on: ubuntu-latest
    outputs:
      image: \${{ steps.meta.outputs.image }}
    steps:
      - uses: actions/checkout@v4
      - name: Stand-ins for docker, aws and kubectl
        run: echo "$GITHUB_WORKSPACE/ci/stand-ins" >> "$GITHUB_PATH"
      - name: Name the image
        id: meta
        run: echo "image=$REGISTRY/$IMAGE_NAME:\${GITHUB_SHA::7}" >> "$GITHUB_OUTPUT"
      - name: Build the image
        run: docker build --tag "\${{ steps.meta.outputs.image }}" .
      - name: Log in to the registry
        env:
          AWS_ACCESS_KEY_ID: \${{ secrets.AWS_ACCESS_KEY_ID }}
          AWS_SECRET_ACCESS_KEY: \${{ secrets.AWS_SECRET_ACCESS_KEY }}
        run: |
          aws ecr get-login-password --region \${{ vars.AWS_REGION }} |
            docker login --username AWS --password-stdin "$REGISTRY"
      - name: Push
        run: docker push "\${{ steps.meta.outputs.image }}"

  deploy:
    needs: build-and-push
    runs-on: ubuntu-latest
    environment: production
    concurrency: deploy-production
    steps:
      - uses: actions/checkout@v4
      - name: Update the manifest
        env:
          IMAGE: \${{ needs.build-and-push.outputs.image }}
        run: |
          sed -i "s|image: .*|image: $IMAGE|" k8s/deployment.yaml
          git config user.name "github-actions[bot]"
          git config user.email "github-actions[bot]@users.noreply.github.com"
          git commit -am "Deploy $IMAGE"
          git push
      - name: Tell the cluster
        if: success()
        run: |
          PATH="$GITHUB_WORKSPACE/ci/stand-ins:$PATH"
          kubectl apply -f k8s/deployment.yaml
          kubectl rollout status deployment/my-service --timeout=60s
`

/** Prints how it was called, and what it read where it is told a password; fails as the real one would for what it does not know. */
const standIns: Record<string, string> = {
  docker: `#!/bin/sh
case "$1" in
build) test -f Dockerfile || exit 1 ;;
login) read -r password; echo "docker read a password of \${#password} characters" ;;
push) ;;
*) echo "unknown command: docker $1" >&2; exit 1 ;;
esac
echo "recorded: docker $*"
`,
  aws: `#!/bin/sh
test -n "$AWS_SECRET_ACCESS_KEY" || { echo "Unable to locate credentials" >&2; exit 253; }
echo "recorded: aws $*" >&2
echo "password-$AWS_SECRET_ACCESS_KEY"
`,
  kubectl: `#!/bin/sh
if [ "$1" = apply ]; then grep image: "$3"; fi
echo "recorded: kubectl $*"
`,
}

const files: Record<string, string> = {
  '.github/workflows/deploy.yml': workflow,
  'package.json': JSON.stringify({ name: 'my-service', version: '1.0.0', scripts: { test: 'node --test' } }),
  'package-lock.json': JSON.stringify({
    ...{ name: 'my-service', version: '1.0.0', lockfileVersion: 3, requires: true },
    packages: { '': { name: 'my-service', version: '1.0.0' } },
  }),
  'sum.test.js': `const { test } = require('node:test')\ntest('adds', () => {})\n`,
  Dockerfile: 'FROM node:20\nCOPY . .\nCMD ["node", "server.js"]\n',
  'k8s/deployment.yaml': 'spec:\n  containers:\n    - image: none\n',
  ...Object.fromEntries(Object.entries(standIns).map(([name, text]) => [`ci/stand-ins/${name}`, text])),
}

describe('the reference workflow', () => {
  let platform: Platform
  before(async () => {
    // Where this machine has no Node.js 20, one stands in for it.
    platform = await startPlatform({ home: homeWithNodes('20.0.0') })
  })
  after(() => platform.destroy())

  const set = async (kind: 'secret' | 'variable', name: string, value: string): Promise<void> => {
    const env = { HEADWAY_HOME: platform.home }
    const outcome = await execute([launcher, kind, 'set', name], { env, input: value })
    assert.equal(outcome.code, 0, outcome.stderr)
  }

  test('tests, builds, logs in, pushes and updates the manifest, and no secret is in a log', async () => {
    const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCY'
    await set('variable', 'AWS_REGION', 'eu-central-1')
    await set('secret', 'AWS_ACCESS_KEY_ID', 'AKIAIOSFODNN7EXAMPLE')
    await set('secret', 'AWS_SECRET_ACCESS_KEY', secret)
    const repository = await platform.repository('my-service', files)
    try {
      for (const name of Object.keys(standIns)) chmodSync(join(repository.directory, 'ci/stand-ins', name), 0o755)
      const commit = await repository.commit('Stand-ins can be run', {})
      const { output } = await repository.push()
      const [run, ...others] = await runsOf(platform, 'my-service', commit)
      assert.ok(run, output)
      assert.deepEqual(
        [run.conclusion, jobsOf(run), others],
        ['success', ['build-and-push: success', 'deploy: success', 'test: success'], []],
        output,
      )

      const log = await logOf(platform, run.run)
      const image = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/my-service:${commit.slice(0, 7)}`
      const recorded = log.split('\n').flatMap((line) => /recorded: (.*)/.exec(line)?.[1] ?? [])
      assert.deepEqual(recorded.toSorted(), [
        'aws ecr get-login-password --region eu-central-1',
        `docker build --tag ${image} .`,
        'docker login --username AWS --password-stdin 123456789012.dkr.ecr.eu-central-1.amazonaws.com',
        `docker push ${image}`,
        'kubectl apply -f k8s/deployment.yaml',
        'kubectl rollout status deployment/my-service --timeout=60s',
      ])
      assert.match(log, new RegExp(`docker read a password of ${`password-${secret}`.length} characters`))
      assert.ok(!log.includes(secret), 'the secret is in the log')

      // The manifest is in Git, by a commit of the job, which started nothing: no workflow starts itself for ever.
      await repository.git('pull', '--quiet', 'headway', 'main')
      const { stdout } = await repository.git('log', '--format=%an|%s', '-1', '--', 'k8s/deployment.yaml')
      assert.equal(stdout.trim(), `github-actions[bot]|Deploy ${image}`)
      const head = (await repository.git('rev-parse', 'HEAD')).stdout.trim()
      assert.deepEqual(await runsOf(platform, 'my-service', head), [])
    } finally {
      rmSync(repository.directory, { recursive: true, force: true })
    }
  })
})
