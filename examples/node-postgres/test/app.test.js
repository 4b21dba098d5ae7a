import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { createApp } from '../src/app.js'
import { page } from '../src/page.js'

const serve = async (visits) => {
  const server = createServer(createApp({ visits, release: 'r1', instance: 'i1' }))
  after(() => server.close())
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (path) => fetch(`http://127.0.0.1:${server.address().port}${path}`)
}

test('greets and says which visit it is', () => {
  assert.match(page({ release: 'r1', instance: 'i1', visits: 7 }), /Hello[^]*number <b>7<\/b>/)
})

test('shows nothing of what it is given as markup', () => {
  assert.doesNotMatch(page({ release: '<script>', instance: '"', visits: 1 }), /<script>/)
})

test('counts each visit', async () => {
  let count = 0
  const get = await serve({ count: async () => ++count, answers: async () => undefined })
  await get('/')
  assert.match(await (await get('/')).text(), /number <b>2<\/b>/)
})

test('is unhealthy while the database does not answer', async () => {
  const get = await serve({ answers: () => Promise.reject(new Error('connection refused')) })
  assert.equal((await get('/health')).status, 503)
})

test('knows no other path', async () => {
  const get = await serve({})
  assert.equal((await get('/admin')).status, 404)
})
