import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { request as ask } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import type { CallRecord } from '../../src/sbc/call-record.ts'
import type { CallView } from '../../src/wire/call-protocol.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'

const FILE_MS_MAX = 90_000
const ANSWER_MS_MAX = 10_000
const WRITTEN_MS_MAX = 15_000
const PURPOSE = 'a refund by letter'

type Client = 'test-billing.charger' | 'hotel-billing.charger' | 'test-ann.detokenizer' | 'hotel-ann.detokenizer'

t.test(
  'two trunks of two merchants: the same card is another token, and each only its own merchant uses',
  async (t) => {
    t.setTimeout(FILE_MS_MAX)
    const api = { host: '127.0.0.1', port: await freePort() }
    const site = await Site.start({
      lines: 2,
      guards: 1,
      coolDownMs: 500,
      say: (line) => t.comment(line),
      change: (written) => ({
        ...written,
        trunks: written.trunks.map((trunk) => (trunk.name === 'line-b' ? { ...trunk, merchant: 'hotel' } : trunk)),
        vault: {
          ...written.vault,
          merchants: [{ name: 'hotel' }],
          guardMerchants: ['hotel'],
          api: {
            ...api,
            clients: (['test', 'hotel'] as const).flatMap((merchant) => [
              { name: `${merchant}-billing`, role: 'charger' as const, merchants: [merchant] },
              { name: `${merchant}-ann`, role: 'detokenizer' as const, merchants: [merchant] },
            ]),
          },
        },
      }),
    })
    const lines: SiteLine[] = []
    t.teardown(async () => {
      await Promise.all(lines.map((line) => line.close()))
      await site.close()
    })
    for (const line of [0, 1]) lines.push(await SiteLine.open(site, { line }))
    await site.untilTested()
    const { certificates, audit, callRecords } = site.configuration
    const client = (name: Client, path: string, body?: object) =>
      askVault(api, { folder: certificates.folder, name, path, body: body ?? null })

    const paid = await Promise.all(
      lines.map(async (line) => {
        await line.call()
        await line.openWindow()
        const { token } = await line.pay('events')
        await line.untilState('closed', ANSWER_MS_MAX)
        const shown = await fetch(`${site.deskAddress}/api/v1/calls/${line.callId}`, {
          headers: { authorization: `Bearer ${site.token}` },
        })
        await line.payer.hangup()
        return { token: token ?? '', callId: line.callId, view: (await shown.json()) as CallView }
      }),
    )
    const [test, hotel] = paid
    if (test === undefined || hotel === undefined) throw new Error('two payments')
    t.equal(test.view.merchant, 'test')
    t.equal(hotel.view.merchant, 'hotel')
    t.match([test.token, hotel.token], [/^tok_.*_1111$/, /^tok_.*_1111$/])
    t.not(test.token, hotel.token)

    const told = { status: 200, code: null }
    const unknownToken = { status: 404, code: 'unknown_token' }
    const unknownMerchant = { status: 404, code: 'unknown_merchant' }
    const card = ({ token }: { readonly token: string }) => ({ token, purpose: PURPOSE })
    const charge = ({ token }: { readonly token: string }) => ({ token, amountMinor: 100, currency: 'EUR' })
    t.same(await client('test-ann.detokenizer', 'test/detokenizations', card(test)), told)
    t.same(await client('hotel-ann.detokenizer', 'hotel/detokenizations', card(hotel)), told)
    t.same(await client('test-ann.detokenizer', 'test/detokenizations', card(hotel)), unknownToken)
    t.same(await client('test-ann.detokenizer', 'hotel/detokenizations', card(hotel)), unknownMerchant)
    t.same(await client('hotel-ann.detokenizer', 'test/detokenizations', card(test)), unknownMerchant)
    t.same(await client('test-billing.charger', 'hotel/charges', charge(hotel)), unknownMerchant)
    t.same(await client('hotel-billing.charger', `hotel/tokens/${hotel.token}`), told)
    t.same(await client('hotel-billing.charger', `hotel/tokens/${test.token}`), unknownToken)

    const merchants = (folder: string | null, of: (line: string) => string | null) => {
      const files = folder === null ? [] : readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
      return files.flatMap((text) => text.split('\n').filter((line) => line !== '')).flatMap((line) => of(line) ?? [])
    }
    for (const { callId, view } of paid) {
      const recorded = (line: string) => {
        const record = JSON.parse(line) as CallRecord
        return record.callId === callId ? record.merchant : null
      }
      const acted = (line: string) => {
        const { action, merchant, windowId } = JSON.parse(line) as Readonly<Record<string, string>>
        return windowId === view.payment?.windowId ? [action, merchant].join(' of ') : null
      }
      await eventually(() => merchants(callRecords, recorded).length > 0, WRITTEN_MS_MAX)
      t.same(merchants(callRecords, recorded), [view.merchant], 'the call record says whose it was')
      await eventually(() => merchants(audit.folder, acted).length >= 3, WRITTEN_MS_MAX)
      t.same(
        merchants(audit.folder, acted),
        ['window_opened', 'tokenize', 'window_closed'].map((action) => `${action} of ${view.merchant}`),
        'and so does the audit record',
      )
    }
  },
)

/** One request to the vault's API, by the certificate of a client. A card that is told is not looked at. */
function askVault(
  api: HostPort,
  asked: { readonly folder: string; readonly name: Client; readonly path: string; readonly body: object | null },
): Promise<{ readonly status: number; readonly code: string | null }> {
  const { folder, name, path, body } = asked
  return new Promise((resolve, reject) => {
    const request = ask(
      {
        ...api,
        path: `/v1/merchants/${path}`,
        method: body === null ? 'GET' : 'POST',
        agent: false,
        servername: 'vault.tonewall.internal',
        ca: readFileSync(join(folder, 'ca.crt')),
        cert: readFileSync(join(folder, `${name}.crt`)),
        key: readFileSync(join(folder, `${name}.key`)),
        headers: {
          'idempotency-key': randomUUID(),
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const { code } = JSON.parse(Buffer.concat(parts).toString()) as { readonly code?: string }
          resolve({ status: response.statusCode ?? 0, code: code ?? null })
        })
      },
    )
    request.on('error', reject)
    request.end(body === null ? '' : JSON.stringify(body))
  })
}
