import t from 'tap'
import { parseCommandLine } from '../../src/main/command-line.ts'

t.test('a detokenization is read from the command line', (t) => {
  const given = [
    'vault',
    'detokenize',
    '0000000000021111',
    '--purpose',
    'refund',
    '--client',
    'ann',
    '--to',
    'card.json',
  ]
  t.match(parseCommandLine(given), {
    kind: 'vault-detokenize',
    token: '0000000000021111',
    to: 'card.json',
    merchant: null,
  })
  t.match(parseCommandLine(['vault', 'detokenize']), { kind: 'refused' })
  t.end()
})
