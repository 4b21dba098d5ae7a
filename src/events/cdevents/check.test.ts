import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { checkCdEvent, eventTypes } from './check.ts'
import { exampleOf } from './testing.ts'

test('CDEvents 0.5.1 has 45 types, and an event with all its fields passes as each of them, and so does the least of each', () => {
  const types = eventTypes()
  assert.equal(types.length, 45)
  assert.equal(new Set(types).size, 45)
  for (const type of types)
    for (const size of ['all', 'least'] as const)
      assert.deepEqual(checkCdEvent(exampleOf(type, size)), { kind: 'valid', event: exampleOf(type, size) }, type)
})

test('of every type an event is refused that misses a field, has one too many or one of another kind, with its path', () => {
  for (const type of eventTypes()) {
    const least = exampleOf(type, 'least')
    const { id: _, ...nameless } = least.context
    const wrong: [string, unknown, string][] = [
      ['context.id', { ...least, context: nameless }, 'is missing'],
      ['context.timestamp', { ...least, context: { ...least.context, timestamp: 'yesterday' } }, 'date-time'],
      [
        'subject.content.ours',
        { ...least, subject: { ...least.subject, content: { ...least.subject.content, ours: 1 } } },
        'customData',
      ],
      ['context.source', { ...least, context: { ...least.context, source: 7 } }, 'string'],
      ['subject.id', { ...least, subject: { ...least.subject, id: 7 } }, 'string'],
      ['context.links', { ...least, context: { ...least.context, links: 'none' } }, 'array'],
    ]
    for (const [path, event, message] of wrong) {
      const checked = checkCdEvent(event)
      assert.equal(checked.kind, 'invalid', `${type}: ${path}`)
      if (checked.kind !== 'invalid') continue
      assert.equal(checked.flaws[0]?.path, path, type)
      assert.ok(checked.flaws[0]?.message.includes(message), `${type}: ${checked.flaws[0]?.message}`)
    }
  }
})

test('a type of another version, of no such name, or from a folder above, is no type', () => {
  for (const type of [
    'dev.cdevents.service.deployed.9.9.9',
    'dev.cdevents.service.eaten.0.1.0',
    'dev.cdevents.links.linkend.0.1.0',
    'dev.cdevents...0.1.0',
    '',
  ]) {
    const example = exampleOf(eventTypes()[0] ?? '', 'least')
    const checked = checkCdEvent({ ...example, context: { ...example.context, type } })
    assert.equal(checked.kind, 'invalid', type)
    assert.equal(checked.kind === 'invalid' && checked.flaws[0]?.path, 'context.type', type)
  }
  for (const nothing of [null, [], 'event', {}, { context: null }]) assert.equal(checkCdEvent(nothing).kind, 'invalid')
})

test('a custom event passes by the schema of custom events, under a type of its own tool only', () => {
  const example = exampleOf('custom', 'all')
  assert.equal(checkCdEvent(example).kind, 'valid')
  const other = { ...example, context: { ...example.context, type: 'dev.cdeventsx.headway.deployed.0.1.0' } }
  assert.equal(checkCdEvent(other).kind, 'invalid')
})

test('the schemas are those of v0.5.1, each under its own identifier', () => {
  const directory = join(import.meta.dirname, 'spec-v0.5.1')
  const files = [...readdirSync(directory), ...readdirSync(join(directory, 'links')).map((name) => `links/${name}`)]
  const schemas = files.filter((name) => name.endsWith('.json'))
  assert.equal(schemas.length, 54)
  const identifiers = schemas.map(
    (name) => z.object({ $id: z.string() }).parse(JSON.parse(readFileSync(join(directory, name), 'utf8'))).$id,
  )
  assert.equal(new Set(identifiers).size, 54)
  assert.deepEqual(
    identifiers.filter((id) => !id.startsWith('https://cdevents.dev/0.5.1/schema/')),
    [],
  )
})
