import express from 'express'
import { page } from './page.js'

const app = express()
app.get('/', (request, response) => {
  response.set('x-release', process.env.HEADWAY_RELEASE ?? 'none')
  response.type('text').send(page(request.query.name ?? 'world'))
})
app.get('/health', (request, response) => response.json({ ok: true }))

const server = app.listen(process.env.PORT ?? 3000, process.env.HOST)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
