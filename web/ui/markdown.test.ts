import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Block, blocksOf } from './markdown-blocks.ts'
import { wordsOf } from './markdown-words.ts'

test('headings, paragraphs, lists, tables and code of a summary are told apart, and what is none of them is text', () => {
  const text = [
    '## Tests',
    'All **well**',
    'so far',
    '',
    '- one',
    '  goes on',
    '- two',
    '',
    '| name | took |',
    '| --- | ---: |',
    '| a | 1 s |',
    '',
    '```sh',
    '# not a heading',
    '```',
    '<script>alert(1)</script>',
    '1. first',
  ].join('\n')
  assert.deepEqual(blocksOf(text), [
    { kind: 'heading', level: 2, text: 'Tests' },
    { kind: 'paragraph', text: 'All **well**\nso far' },
    { kind: 'list', items: ['one goes on', 'two'], isNumbered: false },
    {
      kind: 'table',
      rows: [
        ['name', 'took'],
        ['a', '1 s'],
      ],
    },
    { kind: 'code', text: '# not a heading' },
    { kind: 'paragraph', text: '<script>alert(1)</script>' },
    { kind: 'list', items: ['first'], isNumbered: true },
  ] satisfies Block[])
})

test('a fence that never ends, and lines without end, are taken to the last', () => {
  assert.deepEqual(blocksOf('```\na\n'), [{ kind: 'code', text: 'a\n' }])
  assert.deepEqual(blocksOf(''), [])
  assert.equal(blocksOf(`${'|'.repeat(50_000)}\n${'- '.repeat(50_000)}`).length, 2)
  assert.equal(blocksOf(`|\n${'-'.repeat(100_000)}x`).length, 1)
  assert.equal(blocksOf('# a\n'.repeat(100_000)).length, 100_000)
})

test('words are strong, soft, code and links; what others wrote is escaped and stays the text that it was', () => {
  assert.deepEqual(wordsOf('See **a\\*b** and *c* in `d\\*` at [e](https://example.com/) or [f](javascript:g)'), [
    { text: 'See ', as: 'plain' },
    { text: 'a*b', as: 'strong' },
    { text: ' and ', as: 'plain' },
    { text: 'c', as: 'soft' },
    { text: ' in ', as: 'plain' },
    { text: 'd\\*', as: 'code' },
    { text: ' at ', as: 'plain' },
    { text: 'e', as: 'link', address: 'https://example.com/' },
    { text: ' or [f](javascript:g)', as: 'plain' },
  ])
  assert.deepEqual(wordsOf('&#60;img src=x&#62; \\*\\*no\\*\\* \\[link\\]\\(x\\) \\`code\\` a\\|b, today'), [
    { text: '<img src=x> **no** [link](x) `code` a|b, today', as: 'plain' },
  ])
  assert.deepEqual(wordsOf('a ** lone mark and a ` tick'), [{ text: 'a ** lone mark and a ` tick', as: 'plain' }])
  assert.deepEqual(blocksOf('| | a\\|b |\n|---|---|\n| c | d\\| |'), [
    {
      kind: 'table',
      rows: [
        ['', 'a\\|b'],
        ['c', 'd\\|'],
      ],
    },
  ])
})
