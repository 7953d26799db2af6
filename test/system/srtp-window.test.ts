import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { PaymentWindow } from '../../src/sbc/payment-window.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { guardPool } from '../fakes/guard-pool.ts'
import { TEST_FORM } from '../fakes/guarded-call.ts'
import { MediaParty } from '../fakes/media-party.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'
import { Site } from '../fakes/site.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
/** A public test card, and its expiry: the form of the test. */
const CARD = '4111111111111111'
const EXPIRY = '1230'
const EVENT_TYPE = 101
const IN_FLIGHT_MS = 40
const STORED_MS = 10_000
const CLOSED_MS = 15_000
/** The whole product starts in it, beside other tests. */
const FILE_MS_MAX = 90_000

t.setTimeout(FILE_MS_MAX)

t.test(
  'keys that a payer presses over SRTP become a token, and nothing of them leaves on the agent’s SRTP',
  async (t) => {
    const site = await Site.start({ say: (line) => t.comment(line), guards: 1 })
    t.teardown(() => site.close())
    await site.untilTested()
    const [guard] = site.configuration.guards
    const [engine] = site.configuration.rtpengines
    if (guard === undefined || engine === undefined) throw new Error('the site has no guard')
    const guards = guardPool({ identity: sharedIdentity('sbc'), ports: [guard.port] })
    const control = new RtpengineControl({ host: engine.host, port: engine.port, logger })
    const payer = await MediaParty.open({ mark: PAYER, suites: ['AES_CM_128_HMAC_SHA1_80'] })
    const agent = await MediaParty.open({ mark: AGENT, suites: ['AES_CM_128_HMAC_SHA1_80'] })
    const media = new MediaSession({ engine: control, callId: 'srtp-window' })
    t.teardown(async () => {
      payer.close()
      agent.close()
      await media.delete()
      guards.close()
      control.close()
    })
    for (const party of ['payer', 'agent'] as const) media.use(party, { ...ANY_MEDIA, profile: 'srtp-sdes' })
    const offered = await media.offer('payer', payer.sdp(), { live: false })
    if (offered.kind === 'failed') throw new Error('no offer')
    const answered = await media.answer('payer', agent.answer(offered.value), { live: false })
    if (answered.kind === 'failed') throw new Error('no answer')
    payer.talk(answered.value)
    agent.talk(offered.value)
    await agent.hears(PAYER)
    await eventually(() => guards.upCount === 1)
    let turn: Promise<unknown> = Promise.resolve()
    const window = new PaymentWindow({
      media,
      guards,
      rtpengine: 'engine',
      form: { ...TEST_FORM, brands: ['visa'] },
      masking: 'hard',
      lookAheadMs: 60,
      merchant: site.configuration.merchant,
      logger,
      changed: () => undefined,
      mediaGone: () => undefined,
      exclusive: (action) => {
        const next = turn.then(action)
        turn = next.catch(() => undefined)
        return next
      },
    })
    t.same(await window.open(), { kind: 'open' })
    const openMs = performance.now() + IN_FLIGHT_MS
    await payer.press(CARD + EXPIRY, answered.value)
    await eventually(() => window.payment.token !== null, STORED_MS)
    const heard = agent.heard.filter(({ atMs }) => atMs >= openMs)
    t.ok(heard.length > 50, 'the agent hears the guard all the time')
    t.notOk(
      heard.some(({ type }) => type === EVENT_TYPE),
      'and no event',
    )
    t.notOk(
      heard.some(({ mark }) => mark === PAYER),
      'and nothing of the payer as it was',
    )
    await eventually(() => window.isClosed, CLOSED_MS)
    await agent.hears(PAYER)
    await payer.hears(AGENT)
    t.equal(payer.failures + agent.failures, 0, 'all of it with the keys of the set-up')
  },
)

t.end()
