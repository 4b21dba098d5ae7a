import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { createApp } from './app.js'
import { openVisits } from './visits.js'

const { DATABASE_URL, HOST, PORT = '3000', HEADWAY_RELEASE = 'none', HEADWAY_INSTANCE } = process.env
if (!DATABASE_URL) throw new Error('DATABASE_URL is not set; headway.yaml asks for it with database: postgres')

const visits = openVisits(DATABASE_URL)
await visits.prepare()

const server = createServer(
  createApp({ visits, release: HEADWAY_RELEASE, instance: HEADWAY_INSTANCE ?? `${hostname()}-${process.pid}` }),
)
server.listen(Number(PORT), HOST, () => console.log(`listening on ${PORT}`))

// What is being answered is answered; then the connections to the database are given back.
process.once('SIGTERM', () => server.close(() => visits.close()))
