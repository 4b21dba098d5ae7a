import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePairs, parsePaths } from './command-files.ts'
import { shellCommand } from './shell.ts'

test('pairs are one a line, or up to a delimiter; whichever marker comes first counts', () => {
  assert.deepEqual(parsePairs('A=1\nB<<END\none\ntwo=2\nEND\nC=x<<y\n\nD<<E=F\nv\nE=F\n'), [
    ['A', '1'],
    ['B', 'one\ntwo=2'],
    ['C', 'x<<y'],
    ['D', 'v'],
  ])
})

test('a missing delimiter, a line that is no pair and an empty name are errors', () => {
  assert.throws(() => parsePairs('A<<END\nvalue\n'), /Matching delimiter not found 'END'/)
  assert.throws(() => parsePairs('nothing'), /Invalid format 'nothing'/)
  assert.throws(() => parsePairs('=x'), /Name must not be empty/)
})

test('the newest folder goes first onto the PATH', () => {
  assert.deepEqual(parsePaths('/a\n/b\n'), ['/b', '/a'])
})

test('shells are started as GitHub documents; a custom one needs {0}', () => {
  assert.deepEqual(
    [undefined, 'bash', 'sh', 'python', 'perl -w {0}'].map((shell) => shellCommand(shell, '/s', true).argv.join(' ')),
    ['bash -e /s', 'bash --noprofile --norc -e -o pipefail /s', 'sh -e /s', 'python /s', 'perl -w /s'],
  )
  assert.deepEqual(shellCommand(undefined, '/s', false).argv, ['sh', '-e', '/s'])
  assert.throws(() => shellCommand('perl', '/s', true), /must have \{0\}/)
})
