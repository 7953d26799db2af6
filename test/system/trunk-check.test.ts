import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spawnPhone, type Phone } from '../../src/demo/phone-client.ts'
import { INSTALLATION } from '../../src/main/configuration.ts'
import type { TrunkCheckReport } from '../../src/main/trunk-check-report.ts'
import { needlesOf, searchBytes, searchFolder, searchMemory } from '../fakes/canary-search.ts'
import { eventually } from '../fakes/eventually.ts'
import { throwDatagrams, hostileRtp, hostileSip } from '../fakes/hostile-input.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

/** Keys in an order that nothing else has: a public test card. */
const KEYS = '4263982640269299'
const CHECK_ADDRESS = '127.0.0.1'
const WAIT_MS_MAX = 20_000

/** `tonewall trunk-check` as a person would run it, in an empty folder. */
class Check {
  output = ''
  readonly folder: string
  readonly #process
  readonly #exited: Promise<number | null>

  constructor(t: Test, given: readonly string[]) {
    this.folder = t.testdir()
    const all = [
      'src/main.ts',
      'trunk-check',
      ...given,
      '--address',
      CHECK_ADDRESS,
      '--seconds',
      '25',
      '--json',
      join(this.folder, 'report.json'),
    ]
    this.#process = spawn(process.execPath, [join(INSTALLATION, all[0] ?? ''), ...all.slice(1)], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    this.#exited = once(this.#process, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null))
    t.teardown(() => this.#process.kill('SIGKILL'))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    await eventually(() => pattern.test(this.output) || this.#process.exitCode !== null, WAIT_MS_MAX)
    const found = pattern.exec(this.output)
    if (found === null) throw new Error(`it never said ${pattern.source}: ${this.output}`)
    return found
  }

  async report(): Promise<{ readonly exitCode: number | null; readonly report: TrunkCheckReport }> {
    const exitCode = await this.#exited
    return { exitCode, report: JSON.parse(readFileSync(join(this.folder, 'report.json'), 'utf8')) as TrunkCheckReport }
  }
}

async function phoneOf(t: Test, name: string): Promise<Phone> {
  const phone = await spawnPhone({ name, address: '127.0.0.2', codecs: ['PCMA', 'PCMU'] })
  t.teardown(() => phone.close())
  await phone.speak(false)
  return phone
}

t.test(
  'a trunk that sends tone and events is measured, and no key is left anywhere',
  { timeout: 60_000 },
  async (t) => {
    const phone = await phoneOf(t, 'gateway')
    await phone.answer({ kind: 'answer', afterMs: 50, earlyMedia: false })
    const check = new Check(t, ['--call', phone.uri, '--keys', String(KEYS.length)])
    await check.says(/RTP is coming/)
    await phone.press({ keys: KEYS, transport: 'both', onMs: 80, offMs: 60, lowDbm0: -12, highDbm0: -9 })
    await check.says(/press 12 of/)
    t.same(searchMemory(check.pid, needlesOf(KEYS)), [], 'nor in the memory of the SIP side')
    const { exitCode, report } = await check.report()
    t.equal(exitCode, 0)
    t.match(report, {
      format: 'tonewall-trunk-check-1',
      call: { direction: 'placed', ended: 'keys' },
      media: { lost: 0, ptimeMs: 20 },
    })
    t.match(report.summary, { presses: KEYS.length, withEventAndTone: KEYS.length, doubled: 0 })
    const { leadMs, toneMs, lowDbm0, twistDb } = report.summary
    t.ok(Math.abs((leadMs?.median ?? 0) - 20) <= 5, 'one packet of tone is ahead of each event')
    t.ok(Math.abs((toneMs?.median ?? 0) - 80) <= 5)
    t.ok(Math.abs((lowDbm0?.median ?? 0) + 12) <= 1)
    t.ok(Math.abs((twistDb?.median ?? 0) - 3) <= 1)
    t.ok(report.findings.some(({ code }) => code === 'events_and_tone'))
    const needles = needlesOf(KEYS)
    t.same(searchBytes(Buffer.from(check.output), needles), [], 'nothing of the keys is printed')
    t.same(searchFolder(check.folder, needles), [], 'or written')
  },
)

t.test('a call that comes is checked under fire: leading edge, INFO, hang-up', { timeout: 60_000 }, async (t) => {
  const phone = await phoneOf(t, 'caller')
  const check = new Check(t, ['--accept'])
  const [to, host = '', port = ''] = await check.says(/sip:check@([\d.]+):(\d+)/)
  const random = seededRandom(6)
  await throwDatagrams({
    from: '127.0.0.7',
    to: { host, port: Number(port) },
    count: 150,
    make: (index) => hostileSip(random.below, index).subarray(0, 40),
  })
  t.match(await phone.call({ to }), { kind: 'answered' })
  await check.says(/RTP is coming/)
  for (let press = 0; press < 3; press += 1) {
    const tone = phone.press({ keys: '7', transport: 'inband', onMs: 40, offMs: 0 })
    await Promise.all([tone, phone.press({ keys: '7', transport: 'events', onMs: 100, offMs: 100 })])
  }
  await phone.press({ keys: '4', transport: 'info', offMs: 200 })
  const { received } = await phone.report()
  t.ok(received.length > 10, 'it sends an open line')
  await throwDatagrams({
    from: '127.0.0.7',
    to: { host, port: Number(port) + 1 },
    count: 20,
    make: (index) => hostileRtp(random.below, index),
  })
  await phone.hangup()
  const { exitCode, report } = await check.report()
  t.equal(exitCode, 0)
  t.match(report.call, { direction: 'accepted', ended: 'far_end' })
  t.match(report.summary, { presses: 4, withEvent: 3, withInfo: 1 })
  t.ok(
    Math.abs((report.summary.leadMs?.median ?? 0) - 40) <= 5,
    `a leading edge of 40 ms: ${report.summary.leadMs?.median ?? 0}`,
  )
  t.match(report.presses.at(-1)?.info, { contentType: 'application/dtmf-relay' })
})
