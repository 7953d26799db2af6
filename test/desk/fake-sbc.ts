import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { startDesk, type Desk } from '../../src/desk/desk.ts'
import { listenChannel, type Channel } from '../../src/kit/channel.ts'
import { readIdentity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import {
  parseDeskToSbc,
  type CallView,
  type DeskToSbc,
  type Payment,
  type SbcToDesk,
} from '../../src/wire/call-protocol.ts'
import type { FieldProgress } from '../../src/wire/window-progress.ts'

/** The sbc's side of the channel, real TLS and frames, with a test in the place of call control. */
export type FakeSbc = {
  readonly port: number
  readonly orders: Exclude<DeskToSbc, { readonly type: 'calls.watch' }>[]
  /** What an order is answered with; null: never. */
  answer: (order: DeskToSbc) => SbcToDesk | null
  /** The calls that a desk is told when it asks. */
  calls: CallView[]
  /** Changes a call and tells every desk. */
  tell(call: CallView): void
  close(): Promise<void>
}

export const DONE: SbcToDesk = { type: 'done', callId: 'a'.repeat(20), windowId: 'w'.repeat(16) }

export async function startFakeSbc(certificates: string, port = 0): Promise<FakeSbc> {
  const channels = new Set<Channel<SbcToDesk, DeskToSbc>>()
  const fake: Omit<FakeSbc, 'port' | 'close'> = {
    orders: [],
    answer: () => DONE,
    calls: [],
    tell: (call) => {
      fake.calls = [...fake.calls.filter(({ callId }) => callId !== call.callId), call]
      for (const channel of channels) channel.send({ type: 'call', call })
    },
  }
  const listener = await listenChannel<SbcToDesk, DeskToSbc>({
    host: '127.0.0.1',
    port,
    identity: readIdentity({ folder: certificates, role: 'sbc' }),
    allow: ['desk'],
    logger: createLogger({ role: 'sbc', level: 'silent' }),
    accept: () => {
      let own: Channel<SbcToDesk, DeskToSbc> | null = null
      return {
        parse: parseDeskToSbc,
        opened: (channel) => {
          own = channel
          channels.add(channel)
        },
        closed: () => {
          if (own !== null) channels.delete(own)
        },
        message: (message, _body, reply) => {
          if (message.type === 'calls.watch') {
            own?.send({ type: 'calls', calls: fake.calls })
            return
          }
          fake.orders.push(message)
          const answer = fake.answer(message)
          if (answer !== null) reply(answer)
        },
      }
    },
  })
  return Object.assign(fake, { port: listener.port, close: () => listener.close() })
}

/** Certificates, tokens and a desk on free ports, in a temporary folder that `remove` takes away. */
export type DeskBench = {
  readonly certificates: string
  readonly tokens: { readonly alice: string; readonly bob: string; readonly all: string }
  readonly metrics: () => Promise<string>
  startDesk(options: { readonly sbcPort: number; readonly port?: number }): Promise<Desk>
  remove(): void
}

export function makeDeskBench(): DeskBench {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-desk-'))
  const certificates = join(folder, 'certs')
  mkdirSync(certificates)
  makeDevelopmentAuthority(certificates)
  const tokens = { alice: newToken(), bob: newToken(), all: newToken() }
  for (const [name, token] of Object.entries(tokens)) writeFileSync(join(folder, name), `${token}\nsecond line\n`)
  let metrics = new Metrics('desk')
  return {
    certificates,
    tokens,
    metrics: () => metrics.registry.metrics(),
    startDesk: ({ sbcPort, port }) => {
      metrics = new Metrics('desk')
      return startDesk({
        configuration: {
          host: '127.0.0.1',
          port: port ?? 0,
          tls: null,
          agents: [
            { name: 'alice', role: 'agent', tokenFile: join(folder, 'alice') },
            { name: 'bob', role: 'agent', tokenFile: join(folder, 'bob') },
            { name: 'supervisor', role: 'all', tokenFile: join(folder, 'all') },
          ],
        },
        sbc: { host: '127.0.0.1', port: sbcPort },
        identity: readIdentity({ folder: certificates, role: 'desk' }),
        logger: createLogger({ role: 'desk', level: 'silent' }),
        metrics,
      })
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function newToken(): string {
  return randomBytes(24).toString('base64url')
}

/** Ids are letters: 'a' names the call aaaaaaaaaaaaaaaaaaaa. */
export function callOf(letter: string, more: Partial<CallView> = {}): CallView {
  return {
    callId: letter.repeat(20),
    agent: 'alice',
    payerSipCallId: `payer-${letter}@carrier`,
    agentSipCallId: `agent-${letter}@tonewall`,
    from: '+493012345678',
    to: '+4930555100',
    payerTrunk: 'carrier',
    agentTrunk: 'contact-centre',
    merchant: 'shop',
    state: 'talking',
    startedAtMs: Date.now() - 65_000,
    endedAtMs: null,
    forms: ['card'],
    payment: null,
    ...more,
  }
}

export function paymentOf(more: Partial<Payment> = {}): Payment {
  return {
    windowId: 'w'.repeat(16),
    form: 'card',
    masking: 'talk-through',
    state: 'capturing',
    fields: [fieldOf('card-number'), fieldOf('expiry'), fieldOf('card-code')],
    token: null,
    lastFour: null,
    brand: null,
    failure: null,
    openMs: 4,
    alarmed: false,
    payerSilent: false,
    ...more,
  }
}

export function fieldOf(name: FieldProgress['name'], more: Partial<FieldProgress> = {}): FieldProgress {
  return {
    name,
    state: 'waiting',
    entered: 0,
    digitsMax: { 'card-number': 19, expiry: 4, 'card-code': 3 }[name],
    brand: null,
    lastFour: null,
    problem: null,
    triesLeft: 3,
    ...more,
  }
}
