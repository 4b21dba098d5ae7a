import { ServiceName } from '../names.ts'
import { languages } from './languages/index.ts'
import { packageOf } from './languages/node.ts'
import type { FolderFiles, LanguageName } from './service.ts'

/** What `headway init` finds by looking at a folder. */
export type Detection = {
  readonly name: string
  readonly language: LanguageName
  readonly port: number | null
  readonly database: 'postgres' | null
}

/** The files besides those that languages read which detection looks into. */
export const detectionFiles: readonly string[] = [
  ...['package.json', 'requirements.txt', 'pyproject.toml', 'go.mod', 'main.go', 'server.js', 'index.js'],
  ...['app.py', 'wsgi.py', 'main.py', 'src/server.js', 'src/index.js', '.env.example', 'Dockerfile'],
]

/** What a folder seems to be; null when it looks like none of the languages. `folderName` names the service when nothing else does. */
export const detect = (folder: FolderFiles, folderName: string): Detection | null => {
  const language = languageOf(folder)
  if (language === null) return null
  return {
    name: nameOf(folder, folderName, language),
    language,
    port: portOf(folder),
    database: usesPostgres(folder) ? 'postgres' : null,
  }
}

/** A `headway.yaml` for it: the golden path's five lines at most. */
export const serviceFileFor = ({ name, language, port, database }: Detection): string =>
  [
    `name: ${name}`,
    `language: ${language}`,
    ...(port === null ? [] : [`port: ${port}`]),
    ...(database === null ? [] : [`database: ${database}`]),
    'replicas: 2',
    '',
  ].join('\n')

const languageOf = (folder: FolderFiles): LanguageName | null => {
  const looksLike = (files: readonly string[]) => files.some((name) => folder.names.includes(name))
  const pack = folder.read('package.json')
  // A site that is built by a package.json looks like a program, but nothing in it serves.
  if (
    pack !== null &&
    /"(vite|astro|@11ty\/eleventy|parcel|react-scripts)"\s*:/.test(pack) &&
    !/"start"\s*:\s*"node /.test(pack)
  )
    return 'static'
  return Object.values(languages).find(({ detect }) => looksLike(detect))?.name ?? null
}

const nameOf = (folder: FolderFiles, folderName: string, language: LanguageName): string => {
  const own = language === 'go' ? /^module\s+(\S+)/m.exec(folder.read('go.mod') ?? '')?.[1] : readName(folder)
  for (const candidate of [own?.split('/').at(-1), folderName]) {
    const name = (candidate ?? '')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^[^a-z]+|-+$/g, '')
      .slice(0, 40)
      .replace(/-+$/, '')
    if (ServiceName.safeParse(name).success) return name
  }
  return 'my-service'
}

const readName = (folder: FolderFiles): string | undefined => {
  try {
    return packageOf(folder).name ?? /^name\s*=\s*["']([^"']+)["']/m.exec(folder.read('pyproject.toml') ?? '')?.[1]
  } catch {
    return undefined // a broken package.json is the pipeline's to report
  }
}

const portOf = (folder: FolderFiles): number | null => {
  const patterns = [
    /process\.env\.PORT\s*(?:\?\?|\|\|)\s*['"]?(\d{2,5})/,
    /(?:getenv|environ\.get)\(\s*["']PORT["']\s*,\s*["']?(\d{2,5})/,
    /^EXPOSE\s+(\d{2,5})/m,
    /^PORT=(\d{2,5})/m,
    /\bport\s*=\s*["']?(\d{4,5})/i,
    /["']:(\d{4,5})["']/,
  ]
  for (const pattern of patterns)
    for (const name of detectionFiles) {
      const port = Number(pattern.exec(folder.read(name) ?? '')?.[1])
      if (port > 0 && port < 65536) return port
    }
  return null
}

const usesPostgres = (folder: FolderFiles): boolean =>
  /"(pg|postgres|pg-promise|@prisma\/client|typeorm)"\s*:/.test(folder.read('package.json') ?? '') ||
  /^\s*["']?(psycopg|psycopg2|psycopg2-binary|asyncpg|pg8000)\b/im.test(
    `${folder.read('requirements.txt') ?? ''}\n${folder.read('pyproject.toml') ?? ''}`,
  ) ||
  /github\.com\/(lib\/pq|jackc\/pgx)/.test(folder.read('go.mod') ?? '')
