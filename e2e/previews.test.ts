import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type Platform, type Repository, startPlatform } from './support/platform.ts'

const server = (text: string): string => `
const { DATABASE_URL = '', HEADWAY_ENVIRONMENT, TOKEN = 'no token', PORT, HOST } = process.env
const answer = ['${text}', HEADWAY_ENVIRONMENT, DATABASE_URL.split('/').pop(), TOKEN].join(' ')
require('node:http').createServer((_, response) => response.end(answer)).listen(PORT, HOST)
`

describe('the preview of a change', () => {
  let platform: Platform
  let shop: Repository
  before(async () => {
    platform = await startPlatform()
    shop = await platform.repository('shop', {
      'headway.yaml': 'name: shop\nlanguage: node\ndatabase: postgres\n',
      'package.json': '{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"}}',
      'server.js': server('one'),
    })
    const pushed = await shop.push()
    assert.match(pushed.output, /live at/, pushed.output)
    await platform.setSecret('TOKEN', 'of production')
  })
  after(async () => {
    rmSync(shop.directory, { recursive: true, force: true })
    await platform.destroy()
  })

  const host = 'shop.change-1.localhost'
  const answers = async (): Promise<string> => (await platform.get(host)).body
  const told = async (...words: string[]): Promise<string> => (await platform.headway(...words)).stdout
  const eventually = async (holds: () => Promise<boolean>): Promise<void> => {
    for (let attempt = 0; !(await holds()); attempt += 1) {
      assert.ok(attempt < 600, `it never came true: ${holds}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  test('answers with a database of its own and no secret, follows each push, and leaves nothing when it is merged', async () => {
    await shop.git('checkout', '-b', 'faster')
    await shop.commit('two', { 'server.js': server('two') })
    const proposed = await shop.push(['faster', '-o', 'change'])
    assert.match(proposed.output, /✓ preview of shop .* http:\/\/shop\.change-1\.localhost:\d+\//, proposed.output)
    assert.equal(await answers(), 'two change-1 default_shop_change-1 no token')
    assert.match(await told('changes'), /shop\/1 .* http:\/\/shop\.change-1\.localhost/)
    assert.match(await told('environments'), /previews of open changes:[\s\S]*shop\/1 +ready/)
    assert.match(await told('db', 'list'), /change-1/)

    await shop.commit('three', { 'server.js': server('three') })
    const again = await shop.push(['faster'])
    assert.match(again.output, /✓ preview of shop/, again.output)
    assert.equal(await answers(), 'three change-1 default_shop_change-1 no token')

    const merged = await platform.headway('changes', 'merge', 'shop/1', '--wait')
    assert.equal(merged.code, 0, merged.stdout + merged.stderr)
    await eventually(async () => (await told('previews', '--json')).trim() === '[]')
    assert.equal((await platform.get(host)).status, 404)
    for (const words of [['db', 'list'], ['status'], ['ps'], ['environments']])
      assert.doesNotMatch(await told(...words), /change-1/, words.join(' '))
  })
})
