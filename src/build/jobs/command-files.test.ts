import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePairs, parsePaths, withPaths } from './command-files.ts'
import { shellCommand } from './shell.ts'

test('pairs are one a line, or up to a delimiter; whichever marker comes first counts', () => {
  assert.deepEqual(parsePairs('A=1\nB<<END\none\ntwo=2\nEND\nC=x<<y\n\nD<<E=F\nv\nE=F\nE=\n'), {
    pairs: [
      ['A', '1'],
      ['B', 'one\ntwo=2'],
      ['C', 'x<<y'],
      ['D', 'v'],
      ['E', ''],
    ],
    fault: null,
  })
  assert.deepEqual(parsePairs('A=1\r\n'), { pairs: [['A', '1\r']], fault: null })
})

test('a file that is wrong counts up to there', () => {
  const faults: readonly [text: string, fault: string][] = [
    ['B<<END\nvalue\n', "Invalid value. Matching delimiter not found 'END'"],
    ['B<<END', "Invalid value. Matching delimiter not found 'END'"],
    ['B<<END\nvalue', 'Invalid value. EOF marker missing new line.'],
    ['B<<\nvalue\n', "Invalid format 'B<<'. Name must not be empty and delimiter must not be empty"],
    ['nothing', "Invalid format 'nothing'"],
    ['=x', "Invalid format '=x'. Name must not be empty"],
  ]
  for (const [text, fault] of faults)
    assert.deepEqual(parsePairs(`A=1\n${text}`), { pairs: [['A', '1']], fault }, JSON.stringify(text))
})

test('the newest folder goes first onto the PATH, and none stands there twice', () => {
  assert.deepEqual(withPaths(['/b', '/a'], parsePaths('/c\n\n/a\r\n')), ['/a', '/c', '/b'])
})

test('shells are started as GitHub documents; a custom one needs {0}', () => {
  assert.deepEqual(
    [undefined, 'bash', 'sh', 'python', 'perl -w {0}'].map((shell) => shellCommand(shell, '/s', true).argv.join(' ')),
    ['bash -e /s', 'bash --noprofile --norc -e -o pipefail /s', 'sh -e /s', 'python /s', 'perl -w /s'],
  )
  assert.deepEqual(shellCommand(undefined, '/s', false).argv, ['sh', '-e', '/s'])
  assert.throws(() => shellCommand('perl', '/s', true), /must have \{0\}/)
})
