import t from 'tap'
import { parseCommandLine } from '../../src/main/command-line.ts'

const read = (line: string) => parseCommandLine(line.split(' '))

t.test('keys are listed, changed and shredded', (t) => {
  t.match(read('vault keys list'), { kind: 'vault-keys', act: 'list', json: false })
  t.match(read('vault keys list --json --config s.yaml'), { json: true, configurationFile: 's.yaml' })
  t.match(read('vault keys rotate --merchant shop'), { act: 'rotate', merchant: 'shop', purpose: 'card' })
  t.match(read('vault keys rotate --merchant shop --purpose fingerprint'), { purpose: 'fingerprint' })
  t.match(read('vault keys rotate --merchant shop --purpose pan'), { kind: 'refused', text: /card or fingerprint/ })
  for (const act of ['reencrypt', 'rewrap', 'make']) t.match(read(`vault keys ${act}`), { act })
  t.match(read('vault keys shred --merchant shop'), { act: 'shred', keyId: null, confirmation: null })
  t.match(read('vault keys shred --merchant shop --key key_a --confirm abc'), { keyId: 'key_a', confirmation: 'abc' })
  t.match(read('vault keys'), { kind: 'refused', text: /list, rotate/ })
  t.match(read('vault keys eat'), { kind: 'refused' })
  t.match(read('vault keys rotate'), { kind: 'refused', text: /--merchant/ })
  t.match(read('vault keys shred --key key_a'), { kind: 'refused', text: /--merchant/ })
  t.match(read('vault keys list --merchant shop'), { kind: 'refused', text: /takes no option --merchant/ })
  t.match(read('vault keys rotate --merchant'), { kind: 'refused', text: /needs a value/ })
  t.end()
})

t.test('custodians are as many as there must be', (t) => {
  t.match(read('vault custodians create --shares 5 --threshold 3'), {
    act: 'custodians',
    shares: 5,
    threshold: 3,
    folder: null,
  })
  t.match(read('vault custodians create --shares 2 --threshold 2 --folder out'), { folder: 'out' })
  for (const line of [
    '',
    ' --shares 3',
    ' --shares 3 --threshold 1',
    ' --shares 2 --threshold 3',
    ' --shares 17 --threshold 2',
    ' --shares x --threshold 2',
  ]) {
    t.match(read(`vault custodians create${line}`), { kind: 'refused', text: /--shares N --threshold M/ }, line)
  }
  t.match(read('vault custodians'), { kind: 'refused', text: /create/ })
  t.end()
})

t.test('a share on the command line is refused, and not repeated', (t) => {
  t.match(read('vault unseal'), { act: 'unseal', shareFile: null })
  t.match(read('vault unseal --share-file share-1'), { shareFile: 'share-1' })
  const refused = read('vault unseal ABCD-EFGH')
  t.match(refused, { kind: 'refused', text: /typed, or read from a file/ })
  t.notMatch(JSON.stringify(refused), /ABCD/)
  t.end()
})
