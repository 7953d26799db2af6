import { fork, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { parseFromAnalyser, type FromAnalyser, type ToAnalyser } from '../../../src/wire/trunk-check-protocol.ts'
import { hostileRtp, randomBytes } from '../../fakes/hostile-input.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { sendPresses } from '../../fakes/trunk-sender.ts'

const PROGRAM = new URL('../../../src/cde/trunk-check/analyser-process.ts', import.meta.url)
const HOST = '127.0.0.1'
const MESSAGE_MS_MAX = 15_000

/** The analyser's process, with everything that it told. */
class Child {
  readonly told: FromAnalyser[] = []
  readonly process: ChildProcess = fork(PROGRAM, [], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })

  constructor() {
    this.process.on('message', (value) => {
      const message = parseFromAnalyser(value)
      if (message === null) throw new Error('the analyser told something of no known shape')
      this.told.push(message)
    })
  }

  send(message: ToAnalyser): void {
    this.process.send(message)
  }

  async until<Type extends FromAnalyser['type']>(type: Type): Promise<FromAnalyser & { readonly type: Type }> {
    const untilMs = performance.now() + MESSAGE_MS_MAX
    for (;;) {
      const found = this.told.find(
        (message): message is FromAnalyser & { readonly type: Type } => message.type === type,
      )
      if (found !== undefined) return found
      if (performance.now() > untilMs) throw new Error('the analyser did not tell it in time')
      await delay(20)
    }
  }
}

t.test(
  'a call is heard by a process of its own, which answers, beeps, reports, and ends with its parent',
  async (t) => {
    const child = new Child()
    t.teardown(() => child.process.kill('SIGKILL'))
    await child.until('ready')
    child.send({ type: 'open', host: HOST, port: 0 })
    const { address } = await child.until('opened')
    t.equal(address.port % 2, 0)
    child.send({ type: 'open', host: HOST, port: 0 })
    t.match(await child.until('refused'), { code: 'wrong_state' })

    const far = createSocket('udp4')
    t.teardown(() => far.close())
    const heard: Buffer[] = []
    far.on('message', (datagram) => heard.push(datagram))
    far.bind(0, HOST)
    await once(far, 'listening')
    const remote = { host: HOST, port: far.address().port }
    child.send({ type: 'agree', remote, law: 'alaw', events: [101] })
    child.process.send({ type: 'agree', remote: 'nobody' })

    const random = seededRandom(5)
    const presses = [0, 1, 2].map((index) => {
      const atMs = 300 + index * 250
      return { key: 4 + index, atMs, toneMs: 60, event: { sentMs: atMs + 40, startMs: atMs, durationMs: 100 } }
    })
    const startMs = performance.now()
    for (const { datagram, atMs } of sendPresses(presses, { law: 'alaw' })) {
      await delay(Math.max(0, startMs + atMs - performance.now()))
      far.send(datagram, address.port, HOST)
      far.send(hostileRtp(random.below, Math.round(atMs)), address.port, HOST)
      far.send(randomBytes(random.below, random.below(200)), address.port + 1, HOST)
    }
    child.send({ type: 'info', relay: true, body: Buffer.from('Signal=9\r\n').toString('base64') })
    await delay(200)
    child.send({ type: 'finish' })
    const { figures } = await child.until('figures')
    const told = child.told.flatMap((message) => (message.type === 'press' ? [message.press] : []))
    t.same(
      told.map(({ event, tone, info }) => [event !== null, tone !== null, info !== null]),
      [...presses.map(() => [true, true, false]), [false, false, true]],
    )
    t.match(figures.media, { lost: 0, law: 'alaw', asDescribed: true, sources: 1 })
    t.ok(figures.strangers > 10)
    t.ok(child.told.some(({ type }) => type === 'hearing'))
    t.ok(heard.length > 20, 'an open line is sent')
    t.ok(
      heard.every((datagram) => ((datagram[1] ?? 0) & 0x7f) === 8),
      'in the law that was agreed',
    )
    const exited = once(child.process, 'exit')
    child.process.disconnect()
    await exited
  },
)
