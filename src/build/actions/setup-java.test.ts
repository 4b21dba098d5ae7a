import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { openTestBuild, type TestBuild } from '../testing.ts'

/** Stand-ins for installed JDKs: programs that say their version as `java -version` does, with a `release` file. */
const installed = [
  { name: 'temurin-17', version: '17.0.9', vendor: 'Eclipse Adoptium', isWhole: true },
  { name: 'zulu-17', version: '17.0.12', vendor: 'Azul Systems, Inc.', isWhole: true },
  { name: 'java-8', version: '1.8.0_392', vendor: 'Amazon.com Inc.', isWhole: true },
  { name: 'jre-99', version: '99.0.1', vendor: 'Eclipse Adoptium', isWhole: false },
]

const root = mkdtempSync(join(tmpdir(), 'headway-java-'))
const pathBefore = process.env.PATH
before(() => {
  chmodSync(root, 0o755)
  for (const { name, version, vendor, isWhole } of installed) {
    const bin = join(root, name, 'bin')
    mkdirSync(bin, { recursive: true })
    const says = (program: string): string => `#!/bin/sh\necho '${program} version "${version}" 2025-01-01' >&2\n`
    writeFileSync(join(bin, 'java'), says('openjdk'), { mode: 0o755 })
    if (isWhole) writeFileSync(join(bin, 'javac'), says('javac'), { mode: 0o755 })
    writeFileSync(join(root, name, 'release'), `IMPLEMENTOR="${vendor}"\nJAVA_VERSION="${version}"\n`)
  }
  process.env.PATH = [...installed.map(({ name }) => join(root, name, 'bin')), pathBefore].join(delimiter)
})
after(() => {
  process.env.PATH = pathBefore
  rmSync(root, { recursive: true, force: true })
})

/** The log of a job of these steps, without its heads. */
const logOf = async (build: TestBuild, steps: string, files: Readonly<Record<string, string>> = {}) => {
  const workflow = `on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n${steps}`.replaceAll('#{', '${{')
  const pushed = await build.push({ ...files, '.github/workflows/ci.yml': workflow })
  const { conclusion, failure } = await build.verified(pushed)
  return { conclusion, detail: failure?.detail ?? null, text: (await build.log(pushed, 'job')).join('\n') }
}

test('setup-java takes the distribution that was asked for before a newer one of another, and the last of several is JAVA_HOME', async () => {
  await using build = await openTestBuild()
  const { conclusion, text } = await logOf(
    build,
    `
      - uses: actions/setup-java@v4
        id: java
        with: { distribution: temurin, java-version: "8\\n17" }
      - run: |
          java -version 2>&1; basename "$JAVA_HOME" "$JAVA_HOME_17_X64$JAVA_HOME_17_ARM64"; basename "$JAVA_HOME_8_X64$JAVA_HOME_8_ARM64"
          echo "#{ steps.java.outputs.distribution }} #{ steps.java.outputs.version }} #{ steps.java.outputs.cache-hit }}"
          grep -o '<id>[^<]*</id>' ~/.m2/settings.xml ~/.m2/toolchains.xml | sed 's/.*://'
          grep -c 'env.GITHUB_TOKEN' ~/.m2/settings.xml
`,
  )
  assert.equal(conclusion, 'success', text)
  for (const line of [
    'openjdk version "17.0.9" 2025-01-01',
    'temurin-17',
    'java-8',
    'temurin 17.0.9 false',
    '<id>github</id>',
    '<id>temurin_8.0.392</id>',
    '<id>temurin_17.0.9</id>',
  ])
    assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`)
  assert.match(text, /Java 8\.0\.392 of Amazon\.com Inc\. in \S+, in place of temurin, which is not here/)
})

test('setup-java reads version files and keys caches by the files of Maven and Gradle', async () => {
  await using build = await openTestBuild()
  const hashed = (text: string): string =>
    createHash('sha256').update(createHash('sha256').update(text).digest()).digest('hex')
  const { text } = await logOf(
    build,
    `
      - uses: actions/checkout@v4
      - { uses: actions/setup-java@v4, with: { distribution: zulu, java-version-file: .tool-versions, cache: maven } }
      - { uses: actions/setup-java@v4, with: { distribution: zulu, java-version-file: .java-version, cache: gradle } }
      - { uses: actions/setup-java@v4, with: { distribution: corretto, java-version: '1.8' } }
      - run: java -version
`,
    {
      ...{ '.tool-versions': 'nodejs 20.1.0\njava zulu-17.0.12\n', '.java-version': '17\n' },
      ...{ 'app/pom.xml': '<project/>\n', 'build.gradle.kts': 'plugins {}\n' },
    },
  )
  assert.match(text, new RegExp(`setup-java-Linux-${process.arch}-maven-${hashed('<project/>\n')}`))
  assert.match(text, new RegExp(`setup-java-Linux-${process.arch}-gradle-${hashed('plugins {}\n')}`))
  assert.match(text, /^Java 17\.0\.12 of Azul Systems, Inc\. in \S+\/zulu-17$/m)
  assert.match(text, /^openjdk version "1\.8\.0_392"/m)
})

test('setup-java says what is missing: a version, a compiler, a distribution, the files of a cache', async () => {
  const refused = async (inputs: string): Promise<string | null> => {
    await using build = await openTestBuild()
    return (await logOf(build, `      - { uses: actions/setup-java@v4, with: { ${inputs} } }\n`)).detail
  }
  assert.match((await refused("distribution: zulu, java-version: '98'")) ?? '', /java 98 is not on this machine/)
  assert.match((await refused("distribution: temurin, java-version: '99'")) ?? '', /java 99 is not on this machine/)
  assert.equal(
    await refused("java-version: '17'"),
    'Run actions/setup-java@v4: Input required and not supplied: distribution',
  )
  assert.match((await refused('distribution: pear, java-version: 17')) ?? '', /No supported distribution.* pear/)
  assert.match((await refused('distribution: zulu, java-version: 17, cache: maven')) ?? '', /No file in .* matched to/)
})
