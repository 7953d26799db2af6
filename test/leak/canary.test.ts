import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DeskClient } from '../../src/demo/desk-client.ts'
import { spawnPhone, type Phone } from '../../src/demo/phone-client.ts'
import { listenAddresses } from '../../src/main/listen-address.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { newDatabase } from '../cde/vault/postgres-database.ts'
import {
  FORM_NAMES,
  memoryNeedlesOf,
  needlesOf,
  searchBytes,
  searchFolder,
  searchMemory,
  searchOpenFiles,
} from '../fakes/canary-search.ts'
import { CommandSite } from '../fakes/command-site.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { LoopbackCapture } from '../fakes/loopback-capture.ts'
import { PostgresServer } from '../fakes/postgres-server.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

/** Public test numbers whose runs of six digits do not occur by chance, and a code. */
const CANARY = '4263982640269299'
const CANARIES = { both: '4917484589897107', info: CANARY } as const
const CANARY_CODE = '837'
const NEEDLES = Object.values(CANARIES).flatMap(needlesOf)
const MEMORY_NEEDLES = Object.values(CANARIES).flatMap(memoryNeedlesOf)
const OUTSIDE_THE_CDE = ['supervisor', 'sipd', 'sbc', 'desk', 'media-1']
const INSIDE_THE_CDE = ['guard-1', 'vault']
/** When digits must be gone from the processes of the CDE. */
const GONE_MS = 2_000
const DEADLINE_MS = 10_000
const COOL_DOWN_MS = 500
const TESTED_MS_MAX = 90_000
/** Most of it is searching memory. */
const TEST_MS_MAX = 300_000

t.setTimeout(2 * TEST_MS_MAX)

/** A number in every form in which it is looked for, each between other bytes. */
function planted(): ReadonlyMap<string, Buffer> {
  const forms = new Map<string, Buffer[]>()
  for (const { name, bytes } of needlesOf(CANARY)) {
    const form = name.replace(/ \d+$/, '')
    forms.set(form, [...(forms.get(form) ?? []), bytes])
  }
  return new Map(
    [...forms].map(([form, needles]) => [form, Buffer.concat(needles.flatMap((one) => [Buffer.from('~'), one]))]),
  )
}

t.test('the search finds a canary in each of its disguises', (t) => {
  const needles = needlesOf(CANARY)
  for (const disguise of [
    Buffer.from(`x${CANARY}x`),
    Buffer.from(CANARY, 'utf16le'),
    Buffer.from(CANARY, 'utf16le').swap16(),
    Buffer.from(Array.from(CANARY, Number)),
    Buffer.from(CANARY, 'hex'),
    Buffer.from(`1${CANARY}0`, 'hex'),
    Buffer.from(`F${CANARY}F`, 'hex'),
    Buffer.from(Buffer.from(`a${CANARY}`).toString('hex')),
    Buffer.from(JSON.stringify(Array.from(CANARY, Number))),
    ...['', 'a', 'ab'].map((before) => Buffer.from(Buffer.from(`${before}${CANARY}`).toString('base64'))),
    Buffer.from(Float64Array.from(CANARY, Number).buffer),
    Buffer.from(CANARY.slice(5, 11)),
  ]) {
    t.ok(searchBytes(disguise, needles).length > 0)
  }
  for (let start = 0; start + 6 <= CANARY.length; start += 1) {
    t.same(searchBytes(Buffer.from(`x${CANARY.slice(start, start + 6)}x`), needles), [`characters ${start}`])
    t.same(searchBytes(Buffer.from(CANARY.slice(start, start + 5)), needles), [], 'five digits are no run')
  }
  t.same([...planted().keys()].toSorted(), [...FORM_NAMES].toSorted())
  for (const [form, bytes] of planted()) {
    t.ok(searchBytes(bytes, needles).filter((name) => name.startsWith(`${form} `)).length >= 5, form)
  }
  t.same(searchBytes(Buffer.from('2026-11-22T02:00:00Z 15550100 token 9299'), needles), [])
  const inMemory = searchBytes(Buffer.from(CANARY), memoryNeedlesOf(CANARY))
  t.equal(inMemory.length, 1 + 9, 'the first six, and each eight')
  t.same(searchBytes(Buffer.from(CANARY.slice(0, 6)), memoryNeedlesOf(CANARY)), ['characters 0'])
  t.end()
})

t.test('in files, open files and memory of another process it finds each form that was planted there', async (t) => {
  const folder = t.testdir()
  const needles = needlesOf(CANARY)
  const all = Buffer.concat([...planted().values()])
  writeFileSync(join(folder, 'planted'), all)
  const expected = needles.map(({ name }) => name).toSorted()
  t.same(
    searchFolder(folder, needles).map(({ found }) => found.toSorted()),
    [expected],
  )
  const held = `const held = require('node:fs').readFileSync(${JSON.stringify(join(folder, 'planted'))})
    const file = require('node:fs').openSync(${JSON.stringify(join(folder, 'open'))}, 'w+')
    require('node:fs').writeSync(file, held)
    require('node:fs').unlinkSync(${JSON.stringify(join(folder, 'open'))})
    console.log('ready'); process.stdin.on('end', () => console.log(held.length)).resume()`
  const child = spawn('env', ['-i', process.execPath, '-e', held], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  t.same([...searchMemory(child.pid ?? 0, needles)].toSorted(), expected)
  t.same([...searchOpenFiles(child.pid ?? 0, needles)].toSorted(), expected)
  child.stdin.end()
  await once(child, 'exit')
})

for (const transport of ['both', 'info'] as const) {
  const store = transport === 'info' ? 'PostgreSQL' : 'SQLite'
  t.test(
    `a canary card keyed by ${transport} is found nowhere outside the CDE, in no file of a vault on ${store}, and nowhere two seconds later`,
    { timeout: TEST_MS_MAX },
    async (t) => {
      const card = CANARIES[transport]
      const place = await startSite(t, store)
      const { site, configuration, folder, desk, payer, agent } = place
      const searched = (
        when: string,
        names: readonly string[],
        known: ReadonlyMap<string, readonly string[]>,
      ): void => {
        for (const name of names) {
          const found = searchMemory(site.pidOf(name), MEMORY_NEEDLES).filter(
            (form) => !known.get(name)?.includes(form),
          )
          t.same(found, [], `in the memory of ${name}, ${when}`)
          t.same(searchOpenFiles(site.pidOf(name), NEEDLES), [], `in a file that ${name} has open, ${when}`)
        }
      }
      const written = (when: string): void => {
        for (const one of place.folders) t.same(searchFolder(one, NEEDLES), [], `in any file that was written, ${when}`)
      }
      await untilTested(configuration)
      // The guard keys one of the cards itself when it tests itself, and so knows it for good.
      const known = new Map([['guard-1', searchMemory(site.pidOf('guard-1'), memoryNeedlesOf(CANARY))]])
      const capture = await startCapture(folder, configuration, place.ports)
      t.teardown(() => capture.kill())
      const [sip] = configuration.sip.udp
      const call = await payer.call({ to: `sip:1000@127.0.0.1:${sip?.port ?? 0}` })
      t.match(call, { kind: 'answered' })
      const callId = await desk.findCall(call.kind === 'answered' ? call.callId : '', { deadlineMs: DEADLINE_MS })
      const events = new AbortController()
      const streamed = readStream(`${place.address}/api/v1/events`, place.token, events.signal)
      await desk.openWindow(callId, { form: 'card', masking: 'talk-through' })
      await delay(300)

      await payer.press({ keys: `${card}#`, transport, onMs: 60, offMs: 60 })
      await desk.until(callId, ({ fields }) => fields[0]?.state === 'accepted', { deadlineMs: DEADLINE_MS })
      t.ok(searchMemory(site.pidOf('guard-1'), needlesOf(card)).length > 0, 'the guard holds it: the control')
      searched('inside the window', OUTSIDE_THE_CDE, known)
      await payer.press({ keys: `1230${CANARY_CODE}`, transport, onMs: 60, offMs: 60 })
      const payment = await desk.until(callId, ({ token: given, failure }) => given !== null || failure !== null, {
        deadlineMs: DEADLINE_MS,
      })
      t.match(payment.token, new RegExp(`^tok_[a-z]{20}\\d_${card.slice(-4)}$`))
      await desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: DEADLINE_MS })
      await delay(GONE_MS)
      searched('two seconds after the window', [...INSIDE_THE_CDE, ...OUTSIDE_THE_CDE], known)
      written('while all runs')

      const metricPorts = listenAddresses(configuration).filter(({ path }) =>
        path.some((key) => /metrics/.test(`${key}`)),
      )
      t.equal(metricPorts.length, 5)
      for (const { host, port } of metricPorts) {
        const text = await textOf(`http://${host}:${port}/metrics`)
        t.ok(text.includes('# HELP'), `metrics at ${port} are there`)
        t.same(searchBytes(Buffer.from(text), NEEDLES), [], `in the metrics at ${port}`)
      }
      await payer.hangup()
      const heard = await agent.report()
      t.ok(heard.sipReceived.length > 0)
      t.same(searchBytes(Buffer.from(heard.sipReceived.join('\n')), NEEDLES), [], "in the agent's SIP")
      t.same(heard.infosReceived, [], 'no INFO reached the agent')
      const rtp = Buffer.concat(heard.received.map(({ payload }) => payload))
      t.ok(rtp.length > 0)
      t.same(searchBytes(rtp, NEEDLES), [], "in the agent's RTP payloads")
      events.abort()
      const stream = await streamed
      t.ok(stream.includes('"capturing"'), 'the stream told of the window')
      t.same(searchBytes(Buffer.from(stream), NEEDLES), [], "in the agent's events")
      const { before, after } = await capture.end(Buffer.concat([...planted().values()]))
      t.ok(before.includes('INVITE sip:1000@') && before.includes('"capturing"'), 'SIP and the desk were captured')
      t.same(searchBytes(before, NEEDLES), [], 'in any packet of the site on loopback')
      t.same(
        searchBytes(after, needlesOf(CANARY)).length,
        needlesOf(CANARY).length,
        'the control: what is sent is found',
      )
      await site.close()
      t.same(searchBytes(Buffer.from(site.said), NEEDLES), [], 'in what the supervisor said')
      written('when all has ended')
    },
  )
}

type Place = {
  readonly site: CommandSite
  readonly configuration: Configuration
  readonly folder: string
  /** All that is written lies in these: the site's data, and the database's with its log. */
  readonly folders: readonly string[]
  readonly ports: readonly number[]
  readonly desk: DeskClient
  readonly address: string
  readonly token: string
  readonly payer: Phone
  readonly agent: Phone
}

async function startSite(t: Test, store: 'SQLite' | 'PostgreSQL'): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-canary-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // As root each process has a user of its own, who must get to its files and to the database.
  chmodSync(folder, 0o711)
  const agentPort = await freePort()
  const server = store === 'PostgreSQL' ? await PostgresServer.start() : null
  t.teardown(() => server?.close())
  if (server !== null) chmodSync(server.folder, 0o711)
  const database = server === null ? null : await newDatabase(server)
  const { file, configuration, media } = await writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    guards: 1,
    contactCentre: { host: '127.0.0.3', port: agentPort },
    change: (written) => ({
      ...written,
      logLevel: 'debug',
      callRecords: 'run/calls',
      audit: { folder: 'run/audit' },
      forms: written.forms.map((form) => ({ ...form, coolDownMs: COOL_DOWN_MS })),
      vault:
        server === null || database === null
          ? written.vault
          : {
              ...written.vault,
              store: 'postgresql',
              postgresql: { host: server.folder, port: server.port, database: database.database, user: database.user },
            },
    }),
  })
  t.teardown(() => media.release())
  const site = await CommandSite.start({ configurationFile: file, say: (line) => t.comment(line) })
  t.teardown(() => site.close())
  const agent = await spawnPhone({
    name: 'agent',
    address: '127.0.0.3',
    sipPort: agentPort,
    codecs: ['PCMU'],
    answer: { kind: 'answer', afterMs: 50, earlyMedia: false },
  })
  t.teardown(() => agent.close())
  const payer = await spawnPhone({ name: '15550100', address: '127.0.0.2', codecs: ['PCMU'] })
  t.teardown(() => payer.close())
  const tokenFile = configuration.desk.agents.find((candidate) => candidate.role === 'all')?.tokenFile ?? ''
  const token = readFileSync(tokenFile, 'utf8').split('\n')[0] ?? ''
  const address = `http://${configuration.desk.host}:${configuration.desk.port}`
  const desk = new DeskClient({ address, token })
  const folders = [configuration.dataFolder, ...(server === null ? [] : [join(server.folder, 'data')])]
  return { site, configuration, folder, folders, ports: [agentPort], desk, address, token, payer, agent }
}

/** A window opens at once only when the guard has passed its self-test, which a busy machine makes it repeat. */
async function untilTested({ metrics }: Configuration): Promise<void> {
  const isTested = async () =>
    (await textOf(`http://${metrics.host}:${metrics.ports.sbc}/metrics`)).includes(
      'tonewall_selftest_guards{state="in",role="sbc"} 1',
    )
  await eventually(isTested, TESTED_MS_MAX)
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) })).text()
}

/** Every port of the site, those of the CDE too: nothing that crosses a socket may hold a run of digits. */
async function startCapture(
  folder: string,
  configuration: Configuration,
  ports: readonly number[],
): Promise<LoopbackCapture> {
  return LoopbackCapture.start({
    file: join(folder, 'loopback.pcapng'),
    ports: [...ports, ...new Set(listenAddresses(configuration).map(({ port }) => port))],
    ranges: configuration.rtpengines.flatMap(({ start }) =>
      start === null ? [] : [{ first: start.portMin, last: start.portMax }],
    ),
    port: await freePort(),
  })
}

async function readStream(url: string, token: string, signal: AbortSignal): Promise<string> {
  let text = ''
  try {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal })
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true })
  } catch {
    // The reader was told to end.
  }
  return text
}
