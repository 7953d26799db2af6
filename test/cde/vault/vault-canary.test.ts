import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { Acquirer, declines, json } from '../../fakes/acquirer.ts'
import { testCard } from '../../fakes/test-card.ts'
import { GUARD, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'

/** No digit follows itself or its neighbour, so that no clock, counter or size looks like a run of them. */
const CANARY = { pan: '4263982640269299', cardCode: '9274' }
const RUN = 6

/** Packed decimal puts six digits into three bytes, which meet by chance in any seal; ten digits do not. */
const RUN_PACKED = 10

function runsOf(length: number): string[] {
  return Array.from({ length: CANARY.pan.length - length + 1 }, (_, index) => CANARY.pan.slice(index, index + length))
}

/** Every run of the number's digits as characters, UTF-16, values, hex of characters, and packed decimal. */
const needles = [
  ...runsOf(RUN).flatMap((run) => [
    Buffer.from(run),
    Buffer.from(run, 'utf16le'),
    Buffer.from(Array.from(run, Number)),
    Buffer.from(Buffer.from(run).toString('hex')),
  ]),
  ...runsOf(RUN_PACKED).map((run) => Buffer.from(run, 'hex')),
]

/** Four digits as characters meet by chance in a hash or a time; their values in a row do not. */
const codeNeedles = [Buffer.from(Array.from(CANARY.cardCode, Number)), Buffer.from(CANARY.cardCode, 'utf16le')]

function found(text: Buffer): boolean {
  return [...needles, ...codeNeedles].some((needle) => text.includes(needle)) || text.includes(`"${CANARY.cardCode}"`)
}

function leaks(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    found(readFileSync(join(folder, name))),
  )
}

async function leaksInTexts(vault: TestVault): Promise<boolean> {
  // A sum of seconds has sixteen digits of pure chance.
  const metrics = (await vault.metrics.registry.metrics()).replaceAll(/^tonewall_vault_tokenize_seconds_sum.*$/gm, '')
  return found(Buffer.from(metrics + vault.lines.join('')))
}

t.test('the search finds what it should find', (t) => {
  t.ok(found(Buffer.from(`x${CANARY.pan.slice(3, 9)}y`)))
  t.ok(found(composeCardBody(testCard(CANARY))))
  t.ok(found(composeCardBody(testCard({ cardCode: CANARY.cardCode }))))
  t.ok(found(Buffer.from(CANARY.pan, 'hex')))
  t.ok(found(Buffer.from(JSON.stringify({ code: CANARY.cardCode }))))
  t.notOk(found(composeCardBody(testCard())))
  t.end()
})

t.test('no digits but the last four reach a file, a log line or a metric, while running and after', async (t) => {
  const acquirer = await Acquirer.start()
  const connector = { url: acquirer.url, authority: acquirer.authority }
  const folder = t.testdir()
  const vault = await openTestVault(folder, { merchants: [{ name: 'shop', connector }] })
  const token = tokenOf(await vault.tokenize(testCard(CANARY)))
  t.same(leaks(folder), [], 'after tokenize')
  t.ok(readdirSync(folder).includes('vault.sqlite-wal'))
  await vault.tokenize(testCard(CANARY))
  await vault.tokenize(testCard({ ...CANARY, pan: CANARY.pan.replace(/8$/, '9') }))
  await vault.tokenize(testCard(CANARY), { merchant: 'nobody' })
  const body = composeCardBody(testCard(CANARY))
  await vault.service.handle({ type: 'malformed' }, Buffer.from(body), GUARD)
  const answers = [
    declines,
    (_order: { body: string }, response: Parameters<typeof json>[0]) =>
      json(response, { outcome: 'approved', approvalCode: CANARY.pan }),
    (order: { body: string }, response: Parameters<typeof json>[0]) => response.writeHead(400).end(order.body),
  ]
  for (const [index, answer] of answers.entries()) {
    acquirer.answer = answer
    await vault.service.handle(
      {
        type: 'authorize',
        merchant: 'shop',
        windowId: 'w',
        token,
        amountMinor: 1,
        currency: 'EUR',
        idempotencyKey: `charge-${index}-x`,
      },
      Buffer.alloc(0),
      GUARD,
    )
    t.same(leaks(folder), [], 'after an answer of the acquirer')
  }
  t.ok(acquirer.orders[0]?.body.includes(CANARY.pan), 'the acquirer did get the number')
  t.ok(acquirer.orders[0]?.body.includes(`"code":"${CANARY.cardCode}"`), 'and the card code')
  t.notOk(await leaksInTexts(vault))
  await vault.close()
  t.same(leaks(folder), [], 'after close')
  t.notOk(await leaksInTexts(vault))
  await acquirer.close()
})
