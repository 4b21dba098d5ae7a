import { createServer } from 'node:http'

// What a payment comes to is in no status: the page is shown either way. So it is counted.
const outcomes = { paid: 0, failed: 0 }
const pay = () => 'paid'

const pages = {
  '/health': () => 'ok',
  '/metrics': () =>
    [
      '# HELP payments_total Payments by what they came to.',
      '# TYPE payments_total counter',
      ...Object.entries(outcomes).map(([outcome, count]) => `payments_total{outcome="${outcome}"} ${count}`),
      '',
    ].join('\n'),
  '/': () => {
    const outcome = pay()
    outcomes[outcome] += 1
    return `Your payment: ${outcome}\n`
  },
}

const server = createServer((request, response) => {
  const page = pages[new URL(request.url, 'http://localhost').pathname]
  response.statusCode = page ? 200 : 404
  response.setHeader('content-type', 'text/plain; version=0.0.4')
  response.end(page ? page() : 'not found\n')
})
server.listen(process.env.PORT ?? 3000, process.env.HOST)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
