import { Problem } from '../../problem.ts'
import type { FolderFiles, Language, LanguagePlan } from '../service.ts'
import { startOf } from './shell.ts'

/** Modules and compiled packages; cached together, for the compiled ones save more time than the downloads. */
const cache = '.headway/go'

export const go: Language = {
  name: 'go',
  detect: ['go.mod', 'main.go'],
  lockFiles: ['go.sum', 'go.mod'],
  dependencies: [cache],
  reads: ['go.mod'],
  plan: (folder, service): LanguagePlan => {
    const vendored = folder.names.includes('vendor')
    if (!folder.names.includes('go.mod'))
      throw new Problem({
        kind: 'go-module-missing',
        status: 422,
        detail: 'a Go service is a module, and there is no go.mod',
        next: `run go mod init ${service.name} and commit go.mod`,
      })
    const { commands } = service
    return {
      toolchain: { program: 'go', range: rangeOf(folder) },
      // Compiles what the module needs, the standard library included, so that it is in the cache that is kept.
      install: [...(vendored ? [] : ['go mod download']), 'go list -e -export -deps -test ./... > /dev/null'],
      installForProduction: [],
      lint: [commands.lint ?? 'go vet ./...'],
      test: [commands.test ?? 'go test ./...'],
      build: [
        commands.build ?? `go build -trimpath -buildvcs=false -o bin/${service.name} ${mainOf(folder, service.name)}`,
      ],
      start: commands.start ? startOf(commands.start) : [`bin/${service.name}`],
      env: {
        GOCACHE: `$PWD/${cache}/build`,
        GOMODCACHE: `$PWD/${cache}/modules`,
        GOPATH: `$PWD/${cache}/path`,
        // What is built without paths cannot use what was compiled with them: the same for all, or everything is compiled twice.
        GOFLAGS: vendored ? '-mod=vendor -trimpath' : '-mod=readonly -modcacherw -trimpath',
        // A toolchain that is downloaded meanwhile is not the one that was asked for.
        GOTOOLCHAIN: 'local',
        // The image holds no C library.
        CGO_ENABLED: '0',
      },
      testEnv: {},
      startEnv: {},
      include: null,
      exclude: ['.git', '.github', '.headway', 'vendor', 'go.mod', 'go.sum', '*.go'],
      extras: {},
    }
  },
}

const mainOf = (folder: FolderFiles, name: string): string =>
  !folder.names.some((file) => file.endsWith('.go')) && folder.names.includes('cmd') ? `./cmd/${name}` : '.'

const rangeOf = (folder: FolderFiles): string | null => {
  const version = /^go (\d+\.\d+(?:\.\d+)?)\s*$/m.exec(folder.read('go.mod') ?? '')?.[1]
  return version ? `>=${version}` : null
}
