import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { composeCardBody } from '../../src/cde/card-body.ts'
import { startApi } from '../../src/cde/vault/api/start-api.ts'
import { openVault } from '../../src/cde/vault/vault.ts'
import { countRefusals } from '../../src/kit/channel.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { runDetokenizeCommand } from '../../src/cde/detokenize-command.ts'
import { readDetokenizeCommand, type DetokenizeCommand } from '../../src/main/detokenize-options.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { testCard, TEST_PANS } from '../fakes/test-card.ts'

const TOKEN = 'tok_abcdefghijklmnopqrst0_1111'

async function site(t: Test) {
  const folder = t.testdir()
  const authority = new SipAuthority()
  const own = authority.leaf({ dns: ['vault.tonewall.internal'] })
  const ann = authority.leaf({ dns: ['ann.detokenizer.tonewall.internal'] })
  writeFileSync(join(folder, 'ca.crt'), authority.certificate)
  writeFileSync(join(folder, 'ann.detokenizer.crt'), ann.certificate)
  writeFileSync(join(folder, 'ann.detokenizer.key'), ann.key)
  const logger = createLogger({ role: 'vault', level: 'silent' })
  const metrics = new Metrics('vault')
  const vault = await openVault({ dataDir: join(folder, 'data'), merchants: [{ name: 'shop' }], logger, metrics })
  const limits = { merchants: ['shop'], requestsPerMinute: 100, cardsPerMinute: 100 }
  const listener = await startApi(
    { host: '127.0.0.1', port: 0, clients: [{ name: 'ann', role: 'detokenizer', ...limits }] },
    {
      parts: vault.parts,
      identity: { role: 'vault', ...own, authority: authority.certificate },
      logger,
      refused: countRefusals(metrics),
      record: () => undefined,
    },
  )
  t.teardown(async () => {
    await listener.close()
    await vault.close()
  })
  const reply = await vault.service.handle(
    { type: 'tokenize', merchant: 'shop', windowId: 'w1', idempotencyKey: 'key-00000001' },
    composeCardBody(testCard({ expiry: '0931' })),
    { role: 'guard', origin: 'guard.test' },
  )
  const token = reply.type === 'tokenized' ? reply.token : ''
  const api = { host: '127.0.0.1', port: listener.port, clients: [] }
  const configuration = { certificates: { folder }, merchant: 'shop', vault: { api } } as unknown as Configuration
  const said: string[] = []
  const run = (change: Partial<DetokenizeCommand>, output = { fd: 1, isTerminal: true }): Promise<number> => {
    const command = {
      kind: 'vault-detokenize',
      configurationFile: '',
      token,
      purpose: 'refund by letter',
      client: 'ann',
    } as const
    return runDetokenizeCommand(
      { ...command, merchant: null, certificates: null, to: join(folder, 'card.json'), ...change },
      configuration,
      { say: (line) => void said.push(line), output },
    )
  }
  const takeBack = (): void => {
    writeFileSync(join(folder, 'revoked.pem'), authority.revocations([own]))
    Object.assign(configuration.certificates, { revoked: join(folder, 'revoked.pem') })
  }
  return { folder, token, run, said, takeBack }
}

t.test('a vault whose certificate was taken back is not asked', async (t) => {
  const { folder, run, said, takeBack } = await site(t)
  takeBack()
  t.equal(await run({}), 1)
  t.same(said, ['It did not work: CERT_REVOKED.'])
  t.notOk(existsSync(join(folder, 'card.json')))
})

t.test('a card goes into a file of its own, or down a pipe, and never to a terminal', async (t) => {
  const { folder, token, run, said } = await site(t)
  const file = join(folder, 'card.json')
  t.equal(await run({}), 0)
  t.same(JSON.parse(readFileSync(file, 'utf8')), { token, number: TEST_PANS.visa, expiryMonth: '09', expiryYear: '31' })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(await run({}), 1, 'a file that is there is not written over')
  t.match(said.at(-1), /EEXIST/)
  t.equal(await run({ to: null }), 1)
  t.match(said.at(-1), /terminal/)
  const pipe = openSync(join(folder, 'pipe'), 'w')
  t.equal(await run({ to: null }, { fd: pipe, isTerminal: false }), 0)
  closeSync(pipe)
  t.match(readFileSync(join(folder, 'pipe'), 'utf8'), TEST_PANS.visa)
  t.notMatch(said.join(' '), TEST_PANS.visa)
})

t.test('what the vault refuses leaves no file', async (t) => {
  const { folder, run, said } = await site(t)
  const to = join(folder, 'none.json')
  t.equal(await run({ to, token: TOKEN }), 1)
  t.match(said.at(-1), /404/)
  t.equal(await run({ to, client: 'bob' }), 1)
  t.match(said.at(-1), /ENOENT/)
  t.equal(existsSync(to), false)
})

t.test('the command line says what is missing, and never says again what may be a card number', (t) => {
  const good = [TOKEN, '--purpose', 'refund', '--client', 'ann', '--to', '-']
  t.match(readDetokenizeCommand(good, 'site.yaml'), {
    token: TOKEN,
    to: null,
    client: 'ann',
    configurationFile: 'site.yaml',
  })
  for (const [given, text] of [
    [[], /one token/],
    [['4111111111111111'], /one token/],
    [[TOKEN], /--purpose/],
    [[TOKEN, '--purpose', 'x'], /--client/],
    [[TOKEN, '--purpose', 'x', '--client', 'ann'], /--to/],
    [[...good, '--all', 'x'], /no option --all/],
    [[TOKEN, '--purpose'], /needs a value/],
  ] as const) {
    const read = readDetokenizeCommand(given, 'site.yaml')
    t.match(read, { kind: 'refused', text })
    t.notMatch(JSON.stringify(read), '4111111111111111')
  }
  t.end()
})
