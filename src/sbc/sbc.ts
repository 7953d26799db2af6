import { countRefusals } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import { errorFields, type Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { Configuration } from '../wire/configuration.ts'
import { AuditReports, type Act } from './audit-reports.ts'
import type { Call, CallDependencies } from './call.ts'
import { CallDirectory } from './call-directory.ts'
import { CallRecorder } from './call-recorder.ts'
import { capabilities } from './refusal.ts'
import { setUpCall, type SetUpDependencies } from './call-setup.ts'
import { DeskServer, type RunningSite } from './desk-server.ts'
import { Drain, DRAIN_RETRY_AFTER_S } from './drain.ts'
import { EnginePool } from './engine-pool.ts'
import { GuardPool } from './guard-link.ts'
import { GuardService } from './guard-service.ts'
import { LateRequests } from './late-requests.ts'
import { lettersOf } from './letters.ts'
import { RescueSlots } from './rescue-slots.ts'
import { runSelfTest } from './self-test.ts'
import { SelfTestSchedule } from './self-test-schedule.ts'
import { SiteOrders, type Reload } from './site-orders.ts'
import { Registrations } from './registration.ts'
import { SipServer, type SipRequest, type SipResponse } from './sip-server.ts'
import { calledNumber } from './called-number.ts'
import { SourceLimits } from './source-limits.ts'
import { TargetHealth } from './target-health.ts'
import { TargetProbe } from './target-probe.ts'
import { readTrunkSecrets } from './trunk-secrets.ts'
import { transferPlaces } from './transfer-places.ts'
import { Trunks } from './trunks.ts'

export type SbcOptions = {
  readonly configuration: Pick<
    Configuration,
    'sip' | 'trunks' | 'routes' | 'rtpengines' | 'guards' | 'sbc' | 'forms' | 'merchant' | 'callRecords'
  >
  /** The secret of the SIP server's control protocol. */
  readonly sipSecret: string
  readonly identity: Identity
  readonly logger: Logger
  readonly metrics: Metrics
  /** A drain is over: the process, or the site that it belongs to, may end. */
  readonly drained?: () => void
  /** What operators are shown of the site as it runs. */
  readonly running?: () => RunningSite | null
  /** An operator wants the site to take a configuration. */
  readonly reload?: Reload
}

/** What of a configuration the sbc works by. */
type SbcConfiguration = SbcOptions['configuration']

export type Sbc = {
  /** Where desks connect. */
  readonly port: number
  /** Takes what can change while calls live; a line for people when nothing was taken. */
  apply(configuration: SbcConfiguration): string | null
  /** Ends every call with BYE, then everything else. Safe to call twice. */
  close(): Promise<void>
}

/** INVITEs that are being set up at one time: a flood of them must not take the memory of the calls that stand. */
const SET_UPS_MAX = 1_000
/** The tests are done with the shortest look-ahead of any trunk, the hardest to mask with; this is the longest there is. */
const LOOK_AHEAD_MS_MAX = 200
/** Of the name that guards know this sbc by. */
const OWNER_LETTERS = 16
/** How long BYEs may take to be answered when the process ends. */
const BYE_MS_MAX = 1_500

/** Starts an sbc. Rejects with the system's error when its port for desks is taken, or a password cannot be read. */
export async function startSbc(options: SbcOptions): Promise<Sbc> {
  const { configuration, identity, logger, metrics } = options
  let active: SbcConfiguration = configuration
  const directory = new CallDirectory()
  const counters = {
    invites: metrics.counter('tonewall_sbc_invites_total', 'INVITEs that opened a dialog or were refused', ['outcome']),
    windows: metrics.counter('tonewall_sbc_windows_total', 'Payment windows that ended', ['outcome']),
    rescues: metrics.counter('tonewall_sbc_rescues_total', 'Calls whose rtpengine was lost', ['outcome']),
  }
  const live = metrics.gauge('tonewall_sbc_calls', 'Answered calls')
  const enginesUp = metrics.gauge('tonewall_sbc_rtpengines_up', 'rtpengine instances that answer')
  const guardsUp = metrics.gauge('tonewall_sbc_guards_up', 'Guards that are connected')
  // Calls and windows of an earlier life of this sbc are known by its address; another sbc on the same rtpengine or guard
  // has another address or port.
  const callIdPrefix = ['tonewall', configuration.sbc.host, configuration.sbc.port, ''].join('-')
  const service = new GuardService({ isTested: true })
  const owner = lettersOf(callIdPrefix, OWNER_LETTERS)
  const guards = new GuardPool({ guards: configuration.guards, identity, owner, logger, service })
  const engines = new EnginePool({
    engines: configuration.rtpengines,
    callIdPrefix,
    lost: (name, how) => {
      for (const call of directory.all()) {
        if (call.facts.rtpengine !== name) continue
        // A call that was set up after the restart, before it was noticed, is a good one.
        if (how === 'restarted') void call.loseIfForgotten()
        else call.loseMedia()
      }
    },
    isPreferred: (name) => guards.mayMask(name),
    logger,
  })
  const selfTests = new SelfTestSchedule({
    links: guards.links,
    engines,
    service,
    run: (pair) =>
      runSelfTest({
        ...pair,
        callIdPrefix,
        merchant: configuration.merchant,
        lookAheadMs: Math.min(LOOK_AHEAD_MS_MAX, ...active.trunks.map(({ lookAheadMs }) => lookAheadMs)),
        logger,
      }),
    logger,
    metrics,
    nowMs: () => performance.now(),
    dateMs: () => Date.now(),
  })
  const recorder = new CallRecorder({ configuration, logger, metrics })
  const drain = new Drain({
    count: () => ({ calls: directory.size, ringing: settingUp }),
    drained: () => options.drained?.(),
    logger,
  })
  const reports = new AuditReports({ guards: () => guards.links, logger, dateMs: () => Date.now() })
  const report = (act: Act): void => reports.add(act)
  const site = new SiteOrders({
    drain,
    report,
    reload: (file) =>
      options.reload?.(file) ?? Promise.resolve({ kind: 'refused', texts: ['This sbc cannot be reloaded.'] }),
  })
  const { running } = options
  const desks = new DeskServer({
    directory,
    selfTests,
    site,
    report,
    operators: recorder.operators,
    ...(running === undefined ? {} : { running }),
  })
  const countedWindows = new WeakMap<Call, string>()
  const callDependencies: CallDependencies = {
    guards,
    get forms() {
      return active.forms
    },
    logger,
    rescue: {
      engine: (withinMs, fits) => engines.chooseWithin(withinMs, fits),
      hasGuard: (rtpengine) => guards.chooseAny(rtpengine) !== null,
      slots: new RescueSlots(),
      callIdPrefix,
      ended: (outcome) => counters.rescues.inc({ outcome }),
    },
    transfers: transferPlaces({ directory, setUp: () => setUp }),
    late: new LateRequests(() => performance.now()),
    changed: (call) => {
      countWindow(call)
      recorder.changed(call)
      desks.tell(call)
    },
    ended: (call) => {
      countWindow(call)
      recorder.ended(call)
      directory.remove(call)
      live.set(directory.size)
      drain.check()
      desks.tell(call)
    },
  }
  let trunks = new Trunks(configuration)
  let secrets = readTrunkSecrets(configuration.trunks)
  const nowMs = (): number => performance.now()
  const health = new TargetHealth({ trunks: trunks.all(), logger, metrics, nowMs })
  const gauges = setInterval(() => {
    enginesUp.set(engines.upCount)
    guardsUp.set(guards.upCount)
  }, 1_000)
  const sip = new SipServer({
    ...configuration.sip.control,
    secret: options.sipSecret,
    logger,
    handlers: {
      connected: () => undefined,
      lost: () => {
        logger.error({ code: 'sip_lost', count: directory.size }, 'the SIP server is gone, and every dialog with it')
        for (const call of directory.all()) call.end('sip_lost')
        giveUpSetUps()
      },
      options: (request, response) => {
        const trunk = trunks.bySource(request.source_address)
        const accepted = { Accept: 'application/sdp', 'Accept-Encoding': 'identity' }
        if (trunk === null) response.send(403)
        else if (drain.isOn) refuseInDrain(response)
        else response.send(200, { headers: { ...capabilities(trunk), ...accepted } })
      },
      invite: (request, response) => void take(request, response),
    },
  })
  const peers = () => ({ trunks: trunks.all(), sip, secrets, chance: Math.random })
  let probe = new TargetProbe({ ...peers(), health })
  let registrations = new Registrations({ ...peers(), logger, metrics })
  const failovers = metrics.counter(
    'tonewall_sbc_failovers_total',
    'Calls that were offered to a further target, by its trunk',
    ['trunk'],
  )
  const setUp: SetUpDependencies = {
    sip,
    leg: {
      sip,
      health,
      get secrets() {
        return secrets
      },
      chance: Math.random,
      failedOver: (trunk) => failovers.inc({ trunk: trunk.name }),
    },
    get trunks() {
      return trunks
    },
    get secrets() {
      return secrets
    },
    limits: new SourceLimits({ nowMs, metrics }),
    get emergencyNumbers() {
      return active.sip.emergencyNumbers
    },
    merchant: configuration.merchant,
    engines,
    calls: directory,
    callIdPrefix,
    call: callDependencies,
    answered: (call) => {
      directory.add(call)
      live.set(directory.size)
      counters.invites.inc({ outcome: 'answered' })
      logger.info({ callId: call.facts.callId, agent: call.facts.agent }, 'call answered')
      desks.tell(call)
    },
  }
  let closed = false
  let settingUp = 0
  let setUps = new AbortController()

  async function take(request: SipRequest, response: SipResponse): Promise<void> {
    settingUp += 1
    const entry = recorder.begin(request, trunks.bySource(request.source_address))
    try {
      if (drain.isOn && isNewCall(request)) refuseInDrain(response)
      else if (closed || (!isEmergency(request) && (directory.isFull || settingUp > SET_UPS_MAX)))
        response.send(503, 'Service Unavailable', { headers: { 'Retry-After': '5' } })
      else await setUpCall(recorder.watching(setUp, entry), request, response, setUps.signal)
    } catch (error) {
      logger.error({ code: 'invite_failed', ...errorFields(error) }, 'an INVITE could not be handled')
      if (!response.finalResponseSent) response.send(500)
    } finally {
      settingUp -= 1
      drain.check()
      recorder.settled(entry, response)
    }
    if (response.finalResponseSent && response.status >= 300) counters.invites.inc({ outcome: 'refused' })
  }

  /** Such a call is taken while anything at all is taken. */
  function isEmergency(request: SipRequest): boolean {
    const trunk = trunks.bySource(request.source_address)
    return trunk !== null && calledNumber(request.uri, trunk, active.sip.emergencyNumbers).isEmergency
  }

  /** One that takes the place of a party is part of a call that lives (RFC 3891). */
  function isNewCall(request: SipRequest): boolean {
    return !isEmergency(request) && !request.has('Replaces')
  }

  function apply(next: SbcConfiguration): string | null {
    try {
      secrets = readTrunkSecrets(next.trunks)
    } catch {
      return 'a password file of a trunk cannot be read: one that is new needs a restart'
    }
    // From here on nothing can fail.
    const isRegisteredElsewhere = registrationsOf(active) !== registrationsOf(next)
    active = next
    trunks = new Trunks(next)
    health.use(trunks.all())
    probe.close()
    probe = new TargetProbe({ ...peers(), health })
    if (isRegisteredElsewhere) {
      const left = registrations
      // The old bindings are taken back first, or they would take the new ones with them.
      void left.close().then(() => {
        if (!closed && registrations === left) registrations = new Registrations({ ...peers(), logger, metrics })
      })
    }
    engines.add(next.rtpengines)
    selfTests.add(guards.add(next.guards))
    logger.info({ count: next.trunks.length }, 'took another configuration')
    return null
  }

  function giveUpSetUps(): void {
    setUps.abort()
    setUps = new AbortController()
  }

  function countWindow(call: Call): void {
    const { payment } = call
    if (payment?.state !== 'closed' || countedWindows.get(call) === payment.windowId) return
    countedWindows.set(call, payment.windowId)
    counters.windows.inc({ outcome: payment.token !== null ? 'token' : (payment.failure ?? 'none') })
  }

  await engines.start()
  try {
    await desks.listen({
      ...configuration.sbc,
      identity,
      logger,
      refused: countRefusals(metrics),
      record: ({ code }) => reports.add({ event: 'peer_refused', cause: code, by: 'sbc' }),
    })
  } catch (error) {
    closeAll()
    throw error
  }
  await sip.waitConnected()

  function closeAll(): void {
    drain.close()
    clearInterval(gauges)
    selfTests.close()
    probe.close()
    sip.close()
    reports.close()
    guards.close()
    engines.close()
  }

  return {
    port: desks.port,
    apply,
    close: async () => {
      if (closed) return
      closed = true
      const calls = directory.all()
      const isBusy = calls.length > 0 || settingUp > 0
      for (const call of calls) call.end('closing')
      giveUpSetUps()
      await registrations.close()
      if (isBusy) await new Promise((resolve) => setTimeout(resolve, BYE_MS_MAX))
      await recorder.close()
      await desks.close()
      closeAll()
    },
  }
}

/** Who the sbc is at which carrier; a change of anything else leaves it registered. */
function registrationsOf({ trunks }: SbcConfiguration): string {
  return JSON.stringify(
    trunks.map(
      ({ name, registration, credentials, targets }) => registration && [name, registration, credentials, targets],
    ),
  )
}

/** Callers go elsewhere, and health checks by OPTIONS see it. */
function refuseInDrain(response: SipResponse): void {
  response.send(503, 'Service Unavailable', { headers: { 'Retry-After': String(DRAIN_RETRY_AFTER_S) } })
}
