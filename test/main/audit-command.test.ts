import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { EXIT, main as verify } from '../../src/audit-verify.mjs'
import { openVault } from '../../src/cde/vault/vault.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { runAuditCommand } from '../../src/main/audit-command.ts'
import { loadConfiguration } from '../../src/main/configuration.ts'
import { DEFAULT_CONFIGURATION_FILE } from '../../src/main/configuration.ts'

t.test('the record of a vault is exported, its key told, and both are what the verifier takes', async (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind !== 'loaded') throw new Error('the example does not load')
  const folder = t.testdir()
  const configuration = { ...loaded.configuration, vault: { ...loaded.configuration.vault, folder } }
  const said: string[] = []
  const run = async (command: Parameters<typeof runAuditCommand>[0]) => {
    const stream = new PassThrough()
    const code = await runAuditCommand(command, configuration, { say: (line) => said.push(line), stream })
    stream.end()
    return { code, text: await text(stream) }
  }
  const exported = { kind: 'audit-export', configurationFile: '', to: null, after: null } as const
  t.equal((await run(exported)).code, 1)
  t.match(said.pop(), 'There is no vault')
  t.equal((await run({ kind: 'audit-key', configurationFile: '' })).code, 1)

  const logger = createLogger({ role: 'vault', level: 'silent' })
  const vault = await openVault({
    dataDir: folder,
    merchants: [{ name: 'shop' }],
    logger,
    metrics: new Metrics('vault'),
  })
  await vault.close()
  const to = join(folder, 'all.jsonl')
  t.equal((await run({ ...exported, to })).code, 0)
  t.equal(statSync(to).mode & 0o777, 0o600)
  t.equal((await run({ ...exported, to })).code, 1, 'no file is written over')
  t.notMatch(readFileSync(to, 'utf8'), '"action":"exported"')
  t.match((await run(exported)).text, /"role":"operator","action":"exported","outcome":"done","origin":"local"/)
  t.equal((await run({ ...exported, after: 999 })).code, 1)
  const key = join(folder, 'key.pem')
  writeFileSync(key, (await run({ kind: 'audit-key', configurationFile: '' })).text)
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  t.equal(await verify(['--key', key, '--checkpoint', join(folder, 'audit-checkpoint'), to], say, say), EXIT.signed)
  t.match(lines, [/^intact: records 1 to 5/, 'signed to the end'])
})
