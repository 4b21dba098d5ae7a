import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineRelease } from '../golden/release.ts'
import { DesiredState } from './desired.ts'
import { differences } from './parity.ts'
import { commitOf, digestOf } from './testing.ts'

const state = (words: string, over: Readonly<Record<string, unknown>> = {}) =>
  DesiredState.parse({ release: digestOf(words), commit: commitOf(words), ...over })

test('what differs between two environments is named key by key, secrets by name and never by value', () => {
  const left = { state: state('shop v2', { env: { COLOUR: 'red', SIZE: '1' }, secrets: ['KEY'] }), missing: [] }
  const right = {
    state: state('shop v1', { env: { COLOUR: 'blue', SIZE: '1' }, secrets: ['KEY'], replicas: 3 }),
    missing: ['KEY'],
  }
  assert.deepEqual(differences(left, right), [
    { key: 'commit', left: commitOf('shop v2'), right: commitOf('shop v1') },
    { key: 'env.COLOUR', left: 'red', right: 'blue' },
    { key: 'release', left: digestOf('shop v2'), right: digestOf('shop v1') },
    { key: 'replicas', left: '1', right: '3' },
    { key: 'secrets.KEY', left: 'set', right: 'not set' },
  ])
  assert.deepEqual(differences(left, left), [])
  assert.deepEqual(differences(left, null), [{ key: 'service', left: commitOf('shop v2'), right: null }])
  assert.deepEqual(differences(null, null), [])
})

test('how it is released differs weight by weight', () => {
  const released = (...weights: number[]) => ({
    state: state('shop v1', { rollout: defineRelease({ steps: weights }) }),
    missing: [],
  })
  assert.deepEqual(differences(released(10, 100), released(20, 100)), [
    { key: 'rollout.steps.1.weightPercent', left: '10', right: '20' },
  ])
})
