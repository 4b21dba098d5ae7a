import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createQueue, type Seat, type Ticket, type Worker } from './queue.ts'

const never = new AbortController().signal

const workerOf = (parallel: number, labels: readonly string[] = ['linux'], project: string | null = null): Worker => {
  let jobs = 0
  return {
    name: 'local',
    labels,
    project,
    free: () => parallel - jobs,
    took: () => {
      jobs += 1
    },
    left: () => {
      jobs -= 1
    },
  }
}

const ticketOf = (project: string, run: string, job: string, labels: readonly string[] = ['linux']): Ticket => ({
  project,
  run,
  job,
  name: job,
  labels,
  since: 0,
})

/** Puts them all in line for one worker, lets each job end at once, and says in which order they had their turn. */
const turnsOf = async (tickets: readonly Ticket[], parallel = 1): Promise<string[]> => {
  const queue = createQueue<Worker>()
  const turns: string[] = []
  const seats: Seat<Worker>[] = []
  const waits = tickets.map(async (ticket) => {
    const seat = await queue.wait(ticket, never)
    turns.push(`${ticket.project} ${ticket.run} ${ticket.job}`)
    seats.push(seat)
  })
  queue.join(workerOf(parallel))
  while (turns.length < tickets.length) {
    await Promise.resolve()
    seats.shift()?.leave()
  }
  await Promise.all(waits)
  return turns
}

test('jobs of one run come in the order in which they were asked for', async () => {
  const turns = await turnsOf([ticketOf('shop', 'r1', 'a'), ticketOf('shop', 'r1', 'b'), ticketOf('shop', 'r1', 'c')])
  assert.deepEqual(turns, ['shop r1 a', 'shop r1 b', 'shop r1 c'])
})

test('an older run comes first, even when its jobs are asked for later, as after a restart', async () => {
  const turns = await turnsOf([ticketOf('shop', 'r2', 'a'), ticketOf('shop', 'r1', 'a')])
  assert.deepEqual(turns, ['shop r1 a', 'shop r2 a'])
})

test('a project and a run of which fewer jobs run come before those of which more do', async () => {
  const queue = createQueue<Worker>()
  const order: string[] = []
  const wait = async (ticket: Ticket): Promise<void> => {
    await queue.wait(ticket, never)
    order.push(`${ticket.project} ${ticket.run} ${ticket.job}`)
  }
  const waits = [
    ...['1', '2', '3', '4'].map((job) => wait(ticketOf('big', 'r1', job))),
    wait(ticketOf('big', 'r2', '1')),
    wait(ticketOf('small', 'r3', '1')),
  ]
  queue.join(workerOf(4))
  await Promise.all(waits.slice(0, 2))
  await Promise.all(waits.slice(4))
  assert.deepEqual(order, ['big r1 1', 'small r3 1', 'big r2 1', 'big r1 2'])
  assert.deepEqual(
    queue.waiting().map(({ job }) => job),
    ['3', '4'],
  )
})

test('a job whose labels nobody has holds up no other, and gets its turn when somebody with them comes', async () => {
  const queue = createQueue<Worker>()
  const gpu = queue.wait(ticketOf('shop', 'r1', 'train', ['linux', 'gpu']), never)
  const plain = queue.wait(ticketOf('shop', 'r2', 'test'), never)
  queue.join(workerOf(1))
  assert.equal((await plain).worker.name, 'local')
  assert.deepEqual(
    queue.waiting().map(({ job }) => job),
    ['train'],
  )
  queue.join(workerOf(1, ['linux', 'gpu']))
  assert.deepEqual((await gpu).worker.labels, ['linux', 'gpu'])
})

test('a worker of one project takes no job of another', async () => {
  const queue = createQueue<Worker>()
  const leaving = new AbortController()
  const wait = queue.wait(ticketOf('blog', 'r1', 'a'), leaving.signal)
  queue.join(workerOf(1, ['linux'], 'shop'))
  leaving.abort(new Error('gone'))
  await assert.rejects(wait, /gone/)
  assert.deepEqual(queue.waiting(), [])
})

test('those who wait are told in the order of their turns', () => {
  const queue = createQueue<Worker>()
  for (const [run, job] of [
    ['r2', 'a'],
    ['r1', 'a'],
    ['r1', 'b'],
  ] as const)
    void queue.wait(ticketOf('shop', run, job), never)
  const order = (): string[] => queue.waiting().map(({ run, job }) => `${run} ${job}`)
  const running = queue.occupy(ticketOf('shop', 'r1', 'z'))
  assert.deepEqual(order(), ['r2 a', 'r1 a', 'r1 b'])
  running.leave()
  assert.deepEqual(order(), ['r1 a', 'r1 b', 'r2 a'])
})
