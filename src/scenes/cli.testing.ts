import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { given, headway, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'two artifacts are downloaded': async (directory) => {
    const place = join(directory, 'downloads')
    const about = { job: 'a', sizeBytes: 5, mime: 'application/zip', digest: 'sha256:0' }
    const artifacts = ['one', 'two'].map((name, artifact) => ({ artifact, name, ...about }))
    const server = createServer((request, response) =>
      response.end(request.url?.endsWith('/content') ? 'whole' : JSON.stringify({ artifacts })),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    for (const { name } of artifacts.filter((one) => !existsSync(join(place, `${one.name}.zip`)))) {
      const words = ['--server', url, 'artifacts', 'download', 'run-1', name, '--to', place]
      await headway(directory, words, { HEADWAY_TOKEN: 'hw_x' })
    }
    return namesIn(place).map((name) => [name, readFileSync(join(place, name), 'utf8')])
  },

  'a history is fetched from elsewhere': async (directory) => {
    const repository = join(directory, 'elsewhere')
    await given(directory, () => {
      const git = (...words: string[]) => execFileSync('git', ['-C', repository, ...words], { stdio: 'ignore' })
      execFileSync('git', ['init', '-q', repository])
      git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'First')
      git('tag', 'v1')
    })
    const told: string[] = []
    const server = createServer(async (request, response) => {
      for await (const chunk of request)
        told.push(...[...String(chunk).matchAll(/"type":"(\w+)"/g)].map(([, type]) => type ?? ''))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ outcome: 'taken', facts: 1, unplaced: [] }))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const words = ['--server', url, 'import', 'git', pathToFileURL(repository).href, '--service', 'shop']
    const code = await headway(directory, words, { HEADWAY_TOKEN: 'hw_x' })
    return [code, told.toSorted(), namesIn(directory).filter((name) => name.startsWith('headway-import-'))]
  },

  'files written for a person': async (directory) => {
    const folder = join(directory, 'service')
    await given(directory, () => {
      mkdirSync(join(folder, 'src'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{"name":"shop","scripts":{"start":"node src/server.js"}}')
      writeFileSync(join(folder, 'package-lock.json'), '{"name":"shop","lockfileVersion":3,"packages":{}}')
      execFileSync('git', ['init', '-q', folder])
    })
    await headway(folder, ['init'])
    await headway(folder, ['eject', 'workflow'])
    return [readFileSync(join(folder, 'headway.yaml'), 'utf8'), namesIn(join(folder, '.github/workflows'))]
  },

  "psql at a person's terminal": async (directory) => {
    const bin = join(directory, 'bin')
    await given(directory, () => {
      mkdirSync(bin)
      const psql = `#!/bin/sh\necho "$PGUSER $PGDATABASE $PGPASSWORD $*" > told.$$ && mv told.$$ told\nexit 3\n`
      writeFileSync(join(bin, 'psql'), psql, { mode: 0o755 })
    })
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ url: 'postgres://shop:pass%20word@127.0.0.1:5432/shop_db' }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const HEADWAY_SERVER = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
    const env = { HEADWAY_SERVER, HEADWAY_TOKEN: 'a-token', PATH: `${bin}:${process.env.PATH}` }
    const code = await headway(directory, ['db', 'psql', 'shop'], env)
    return [code, readFileSync(join(directory, 'told'), 'utf8')]
  },
})
