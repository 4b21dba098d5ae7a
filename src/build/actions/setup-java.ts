import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import type { Action, ActionCall } from '../jobs/actions.ts'
import { readInWorkspace } from '../jobs/workspace.ts'
import { describeMissing, type Toolchain } from '../toolchain.ts'
import { compareVersions, isInRange, versionIn } from '../version.ts'
import { dependencyPaths, restorePackages } from './package-cache.ts'

/** A Java of this machine. */
type Java = { readonly home: string; readonly version: string; readonly vendor: string; readonly isWhole: boolean }

/**
 * `actions/setup-java` (v4) from what is on this machine: of the versions that were asked for, each the newest, a JDK of the distribution
 * before one of another. The last of several is JAVA_HOME. Maven finds its servers and toolchains in `~/.m2`, as there.
 */
export const setupJavaAction =
  (toolchain: Toolchain): Action =>
  async (call) => {
    const { inputs } = call
    const distribution = required(inputs.distribution, 'distribution').toLowerCase()
    if (!(distribution in vendors)) throw new Error(`No supported distribution was found for input ${distribution}`)
    const versions = await versionsIn(call)
    const known = (await toolchain.all('java', call.user)).map(({ directory }) => javaIn(directory))
    const fitting = known.filter(({ isWhole }) => isWhole || (inputs['java-package'] ?? 'jdk').startsWith('jre'))
    const found = versions.map((version) => {
      const java = newestOf(fitting, version, vendors[distribution])
      if (java) return java
      const others = known.map((one) => ({ program: 'java', directory: one.home, version: one.version }))
      const missing = { kind: 'missing' as const, others, looked: ['/usr/lib/jvm', '/opt'] }
      throw new Error(describeMissing('java', version, missing))
    })
    const java = found.at(-1)
    if (!java) throw new Error('java-version or java-version-file input expected')
    for (const one of found) {
      const instead = vendors[distribution]?.test(one.vendor) ? '' : `, in place of ${distribution}, which is not here`
      call.say(`Java ${one.version} of ${one.vendor} in ${one.home}${instead}`)
    }
    call.tools.set('java', java.version)
    await writeForMaven(call, found, distribution)
    const cached = inputs.cache ? await restoreFor(inputs.cache, call) : null
    return {
      outputs: {
        ...{ distribution, version: java.version, path: java.home },
        'cache-hit': String(cached?.isHit ?? false),
      },
      env: Object.fromEntries([...found.map((one) => [variableOf(one), one.home]), ['JAVA_HOME', java.home]]),
      paths: [join(java.home, 'bin')],
      ...(cached?.post ? { post: cached.post } : {}),
    }
  }

/** Who makes them, as their `release` files say. */
const vendors: Readonly<Record<string, RegExp>> = {
  temurin: /adoptium/i,
  adopt: /adoptium|adoptopenjdk/i,
  'adopt-hotspot': /adoptium|adoptopenjdk/i,
  'adopt-openj9': /adoptopenjdk|ibm|semeru/i,
  semeru: /ibm|semeru/i,
  zulu: /azul/i,
  liberica: /bellsoft/i,
  microsoft: /microsoft/i,
  corretto: /amazon/i,
  oracle: /oracle/i,
  graalvm: /graalvm|oracle/i,
  dragonwell: /alibaba/i,
  sapmachine: /sap/i,
  jetbrains: /jetbrains/i,
}

const required = (value: string | undefined, name: string): string => {
  if (value) return value
  throw new Error(`Input required and not supplied: ${name}`)
}

const versionsIn = async ({ inputs, workspace, user }: ActionCall): Promise<string[]> => {
  const given = (inputs['java-version'] ?? '').split('\n').flatMap((line) => line.trim() || [])
  const file = inputs['java-version-file']
  if (given.length > 0) return given.map(withoutOne)
  if (!file) throw new Error('java-version or java-version-file input expected')
  const version = versionInFile(file, await readInWorkspace(workspace, file, user))
  if (version === null) throw new Error(`No supported version was found in file ${file}`)
  return [withoutOne(version)]
}

/** Java 8 is called 1.8, too. */
const withoutOne = (version: string): string => version.replace(/^1\.(?=\d)/, '')

/** `.java-version`, asdf's `.tool-versions` and `.sdkmanrc` (setup-java, src/util.ts). */
const versionInFile = (file: string, text: string): string | null => {
  const pattern = file.endsWith('.tool-versions')
    ? /^java\s+(?:\S*-)?v?(\d+(?:\.\d+)*)/m
    : file.endsWith('.sdkmanrc')
      ? /^java=(\d+(?:\.\d+)*)/m
      : /(?:^|[\s-])(\d+(?:\.\d+)*)/
  return pattern.exec(text)?.[1] ?? null
}

const javaIn = (directory: string): Java => {
  const home = dirname(dirname(realpathSync(join(directory, 'java'))))
  const release = existsSync(join(home, 'release')) ? readFileSync(join(home, 'release'), 'utf8') : ''
  const said = (name: string): string => new RegExp(`^${name}="(.*)"$`, 'm').exec(release)?.[1] ?? ''
  const version = withoutOne(said('JAVA_VERSION').replace('_', '.'))
  return { home, version, vendor: said('IMPLEMENTOR') || 'unknown', isWhole: existsSync(join(home, 'bin/javac')) }
}

const newestOf = (known: readonly Java[], range: string, vendor: RegExp | undefined): Java | undefined => {
  const isOurs = (java: Java): number => (vendor?.test(java.vendor) ? 1 : 0)
  return known
    .filter(({ version }) => isInRange(versionIn(version) ?? [], range))
    .toSorted(
      (one, other) =>
        isOurs(other) - isOurs(one) || compareVersions(versionIn(other.version) ?? [], versionIn(one.version) ?? []),
    )[0]
}

const variableOf = ({ version }: Java): string =>
  `JAVA_HOME_${version.split('.')[0]}_${process.arch === 'arm64' ? 'ARM64' : 'X64'}`

/** The job's own user writes them: its home is not Headway's to follow links in. */
const writeForMaven = async (call: ActionCall, found: readonly Java[], distribution: string): Promise<void> => {
  const { inputs } = call
  const folder = inputs['settings-path'] || `${call.workspace.home}/.m2`
  const server = (id: string, about: Readonly<Record<string, string>>): string =>
    `<server><id>${escaped(id)}</id>${Object.entries(about)
      .map(([name, value]) => `<${name}>${escaped(value)}</${name}>`)
      .join('')}</server>`
  const variable = (name: string): string => `\${env.${name}}`
  const login = {
    username: variable(inputs['server-username'] || 'GITHUB_ACTOR'),
    password: variable(inputs['server-password'] || 'GITHUB_TOKEN'),
  }
  const phrase = inputs['gpg-passphrase'] || (inputs['gpg-private-key'] ? 'GPG_PASSPHRASE' : '')
  const servers = [
    server(inputs['server-id'] || 'github', login),
    ...(phrase ? [server('gpg.passphrase', { passphrase: variable(phrase) })] : []),
  ]
  const toolchains = found.map(
    ({ home, version }) =>
      `<toolchain><type>jdk</type><provides><version>${escaped(version)}</version><vendor>${escaped(distribution)}</vendor><id>${escaped(`${distribution}_${version}`)}</id></provides><configuration><jdkHome>${escaped(home)}</jdkHome></configuration></toolchain>`,
  )
  const overwrites = inputs['overwrite-settings'] !== 'false'
  const settings = `<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><interactiveMode>false</interactiveMode><servers>${servers.join('')}</servers></settings>\n`
  await write(call, join(folder, 'settings.xml'), settings, overwrites)
  await write(call, join(folder, 'toolchains.xml'), `<toolchains>${toolchains.join('')}</toolchains>\n`, overwrites)
  const key = inputs['gpg-private-key']
  if (!key) return
  const { outcome, detail } = await call.run(['gpg', '--batch', '--import'], { input: Readable.from([key]) })
  if (outcome !== 'success') throw new Error(`the GPG key cannot be imported: ${detail}`)
}

const write = async (call: ActionCall, file: string, text: string, overwrites: boolean): Promise<void> => {
  const script = 'mkdir -p "$1" || exit; if test "$3" = true || test ! -e "$2"; then cat > "$2"; fi'
  const argv = ['sh', '-c', script, 'sh', dirname(file), file, String(overwrites)] as const
  const { outcome, detail } = await call.run([...argv], { input: Readable.from([text]) })
  if (outcome !== 'success') throw new Error(`${file} cannot be written: ${detail}`)
}

const escaped = (text: string): string =>
  text.replace(/[<>&]/g, (one) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;' })[one] ?? one)

/** What is kept for each, and the files that tell one state of it from another (setup-java, src/cache.ts). */
const managers: Readonly<Record<string, { readonly paths: readonly string[]; readonly files: readonly string[] }>> = {
  maven: { paths: ['~/.m2/repository'], files: ['**/pom.xml'] },
  gradle: {
    paths: ['~/.gradle/caches', '~/.gradle/wrapper'],
    files: [
      ...['**/*.gradle*', '**/gradle-wrapper.properties', 'buildSrc/**/Versions.kt', 'buildSrc/**/Dependencies.kt'],
      ...['gradle/*.versions.toml', '**/versions.properties'],
    ],
  },
  sbt: {
    paths: ['~/.ivy2/cache', '~/.sbt', '~/.cache/coursier', '!~/.sbt/*.lock', '!~/**/ivydata-*.properties'],
    files: ['**/*.sbt', '**/project/build.properties', '**/project/**.scala', '**/project/**.sbt'],
  },
}

/** By the same keys as the real action's, without others to fall back on: what a build no longer needs does not pile up. */
const restoreFor = async (manager: string, call: ActionCall) => {
  const kind = managers[manager]
  if (!kind) throw new Error(`unknown package manager specified: ${manager}`)
  const files = dependencyPaths(call) ?? kind.files
  const hash = await call.hashFiles(files)
  if (hash === '')
    throw new Error(
      `No file in ${call.workspace.work} matched to [${files}], make sure you have checked out the target repository`,
    )
  return restorePackages({ paths: kind.paths, key: `setup-java-Linux-${process.arch}-${manager}-${hash}` }, call)
}
