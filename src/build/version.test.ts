import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInRange, versionIn } from './version.ts'

const cases: readonly [range: string, version: string, isIn: boolean][] = [
  ['20', '20.11.1', true],
  ['20.x', '20.0.0', true],
  ['20', '22.1.0', false],
  ['>=3.10,<4', '3.12.1', true],
  ['>= 3.10, < 4', '4.0', false],
  ['^18.2', '18.1.9', false],
  ['^18.2', '18.20.0', true],
  ['^0.3', '0.4.0', false],
  ['~3.11', '3.11.9', true],
  ['~3.11', '3.12.0', false],
  ['~=3.11', '3.12.0', true],
  ['18 || 20', '20.1.1', true],
  ['1.2 - 1.4', '1.4.9', true],
  ['lts/*', '24.1.0', true],
  ['>18', '18.5.0', false],
  ['not a range', '1.0.0', false],
]
test('versions are in the ranges that package files and workflows write', () => {
  assert.deepEqual(
    cases.map(([range, version]) => [range, version, isInRange(versionIn(version) ?? [], range)]),
    cases.map(([...one]) => one),
  )
})

test('a version is found in what a program says of itself', () => {
  assert.deepEqual(['v24.21.0', 'Python 3.11.2', 'go version go1.22 linux/amd64', 'none'].map(versionIn), [
    [24, 21, 0],
    [3, 11, 2],
    [1, 22],
    undefined,
  ])
})
