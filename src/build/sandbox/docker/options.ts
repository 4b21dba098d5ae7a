/** What of `docker create`'s options a workflow may say, as the engine's API has it. */
export type CreateOptions = {
  readonly env: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly user?: string
  readonly hostname?: string
  readonly entrypoint?: string
  readonly workingDir?: string
  readonly memoryBytes?: number
  readonly cpus?: number
  readonly shmBytes?: number
  readonly tmpfs: Readonly<Record<string, string>>
  readonly isInit: boolean
  readonly health: Health | null
}

/** Times in nanoseconds, as the engine wants them; 0: as the image has it. */
export type Health = {
  readonly Test: readonly string[]
  readonly Interval: number
  readonly Timeout: number
  readonly StartPeriod: number
  readonly Retries: number
}

type Change = (options: CreateOptions, value: string) => CreateOptions

const none: CreateOptions = { env: [], labels: {}, tmpfs: {}, isInit: false, health: null }
const noHealth: Health = { Test: [], Interval: 0, Timeout: 0, StartPeriod: 0, Retries: 0 }

const withHealth =
  (change: (value: string) => Partial<Health>): Change =>
  (options, value) => ({ ...options, health: { ...(options.health ?? noHealth), ...change(value) } })

const changes: Readonly<Record<string, Change>> = {
  '--env': (options, value) => ({ ...options, env: [...options.env, value] }),
  '--label': (options, value) => {
    const [name = '', text = ''] = value.split(/=(.*)/s)
    if (name.startsWith('headway.')) throw new Error(`options: the label ${name} is Headway's own`)
    return { ...options, labels: { ...options.labels, [name]: text } }
  },
  '--user': (options, user) => ({ ...options, user }),
  '--hostname': (options, hostname) => ({ ...options, hostname }),
  '--entrypoint': (options, entrypoint) => ({ ...options, entrypoint }),
  '--workdir': (options, workingDir) => ({ ...options, workingDir }),
  '--memory': (options, value) => ({ ...options, memoryBytes: bytesIn('--memory', value) }),
  '--shm-size': (options, value) => ({ ...options, shmBytes: bytesIn('--shm-size', value) }),
  '--cpus': (options, value) => ({ ...options, cpus: numberIn('--cpus', value) }),
  '--tmpfs': (options, value) => {
    const [path = '', how = ''] = value.split(/:(.*)/s)
    return { ...options, tmpfs: { ...options.tmpfs, [path]: how } }
  },
  '--health-cmd': withHealth((value) => ({ Test: ['CMD-SHELL', value] })),
  '--health-interval': withHealth((value) => ({ Interval: nanosecondsIn(value) })),
  '--health-timeout': withHealth((value) => ({ Timeout: nanosecondsIn(value) })),
  '--health-start-period': withHealth((value) => ({ StartPeriod: nanosecondsIn(value) })),
  '--health-retries': withHealth((value) => ({ Retries: numberIn('--health-retries', value) })),
}

const shorts: Readonly<Record<string, string>> = {
  '-e': '--env',
  '-l': '--label',
  '-u': '--user',
  '-h': '--hostname',
  '-m': '--memory',
  '-w': '--workdir',
}

/**
 * The options of `container:` or a service. What would open the machine to the job (`--privileged`, `--volume`, `--network`, `--cap-add`,
 * `--device`, ...) is refused with an Error that says so, as is what is not known.
 */
export const parseOptions = (text: string): CreateOptions => {
  let options = none
  const words = wordsOf(text)
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--init') {
      options = { ...options, isInit: true }
      continue
    }
    if (word === '--no-healthcheck') {
      options = { ...options, health: { ...noHealth, Test: ['NONE'] } }
      continue
    }
    const [flag = '', joined] = word.startsWith('--') ? word.split(/=(.*)/s) : [word]
    const change = changes[shorts[flag] ?? flag]
    if (!change) throw new Error(`options: ${flag} is not allowed for containers of jobs (allowed are ${allowed})`)
    const value = joined ?? words.shift()
    if (value === undefined) throw new Error(`options: ${flag} has no value`)
    options = change(options, value)
  }
  return options
}

const allowed = [...Object.keys(changes), '--init', '--no-healthcheck'].join(', ')

/** Words as a POSIX shell cuts them, without anything being replaced. */
export const wordsOf = (text: string): string[] => {
  const words: string[] = []
  let word: string | null = null
  let quote: string | null = null
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index)
    if (quote === null && /\s/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else if (quote === null && (character === '"' || character === "'")) {
      quote = character
      word ??= ''
    } else if (character === quote) quote = null
    else if (character === '\\' && quote !== "'") {
      index += 1
      word = (word ?? '') + text.charAt(index)
    } else word = (word ?? '') + character
  }
  if (quote !== null) throw new Error(`options: a quote (${quote}) is not closed`)
  return word === null ? words : [...words, word]
}

const factors: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

const bytesIn = (flag: string, text: string): number => {
  const [, number = '', unit = 'b'] = /^(\d+(?:\.\d+)?)([bkmg]?)b?$/i.exec(text) ?? []
  if (number === '') throw new Error(`options: ${flag} ${text} is no size, such as 512m`)
  return Math.round(Number(number) * (factors[unit.toLowerCase() || 'b'] ?? 1))
}

const numberIn = (flag: string, text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`options: ${flag} ${text} is no number`)
  return Number(text)
}

const seconds: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 }

/** Go's durations: `10s`, `1m30s`, `500ms`. */
const nanosecondsIn = (text: string): number => {
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(text)) throw new Error(`options: ${text} is no duration, such as 10s`)
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)
  return Math.round(
    Array.from(parts, ([, number, unit = 's']) => Number(number) * (seconds[unit] ?? 1)).reduce(
      (sum, one) => sum + one,
      0,
    ) * 1e9,
  )
}
