import t from 'tap'
import { parseCommandLine } from '../../src/main/command-line.ts'
import { readEvidenceCommand } from '../../src/main/evidence-options.ts'

const read = (...given: readonly string[]) => readEvidenceCommand(given, 'site.yaml')

t.test('evidence is written where it is told, and verified by a program that reads its own arguments', (t) => {
  const plain = { kind: 'evidence', configurationFile: 'site.yaml', out: null, key: null, shakeHands: true }
  t.same(read(), plain)
  t.same(read('--config', 'f', '--out', 'o', '--key=k', '--no-handshakes'), {
    kind: 'evidence',
    configurationFile: 'f',
    out: 'o',
    key: 'k',
    shakeHands: false,
  })
  t.same(read('verify', '--key', 'k', 'folder'), { kind: 'evidence-verify', given: ['--key', 'k', 'folder'] })
  t.match(parseCommandLine(['evidence', '--out', 'o']), { kind: 'evidence', out: 'o' })
  t.match(parseCommandLine(['evidence', '--help']), { kind: 'help' })
  t.end()
})

t.test('what it does not know is refused', (t) => {
  t.match(read('--what'), { kind: 'refused', text: 'evidence takes no option --what' })
  t.match(read('--out'), { kind: 'refused', text: '--out needs a value' })
  t.match(read('--no-handshakes=1'), { kind: 'refused', text: '--no-handshakes takes no value' })
  t.match(read('folder'), { kind: 'refused', text: /takes no folder/ })
  t.end()
})
