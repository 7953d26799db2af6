import { hideCardNumbers } from '../kit/card-shaped.ts'
import type { Channel } from '../kit/channel.ts'
import { CALLS_PAGE_MAX, type OperatorAnswer, type OperatorQuestion } from '../wire/operator-protocol.ts'
import { TRACE_CALL_IDS_MAX, type SbcToSipd, type SipdToSbc, type TracedMessage } from '../wire/trace-protocol.ts'
import type { CallJournal } from './call-journal.ts'

/** sipd answers from memory; a busy one within this. */
const TRACE_MS_MAX = 2_000

/** A sipd that is connected: it is asked, and asks nothing. */
export type SipdChannel = Pick<Channel<SbcToSipd, SipdToSbc>, 'request'>

/** What operators ask about calls, answered from the journal and, for SIP messages, by the embedded sipd. */
export class OperatorAnswers {
  readonly #journal: Pick<CallJournal, 'liveCalls' | 'find'>
  readonly #sipds = new Set<SipdChannel>()

  constructor(options: { readonly journal: Pick<CallJournal, 'liveCalls' | 'find'> }) {
    this.#journal = options.journal
  }

  add(sipd: SipdChannel): void {
    this.#sipds.add(sipd)
  }

  remove(sipd: SipdChannel): void {
    this.#sipds.delete(sipd)
  }

  /** Never rejects. */
  async answer(question: OperatorQuestion): Promise<OperatorAnswer> {
    switch (question.type) {
      case 'calls.list': {
        const calls = this.#journal.liveCalls()
        const page = calls.slice(question.skip, question.skip + CALLS_PAGE_MAX)
        return { type: 'calls.report', calls: page, total: calls.length }
      }
      case 'call.trace':
        return this.#trace(question.call)
    }
  }

  async #trace(id: string): Promise<OperatorAnswer> {
    const entry = this.#journal.find(id)
    const sides = entry?.sipCallIds ?? null
    const payer = sides === null ? [] : [...sides.payer]
    const agent = sides === null ? [] : [...sides.agent]
    const messages = await this.#messages(entry === null ? [id] : [...payer, ...agent])
    if (typeof messages === 'string') return { type: 'operator.refused', code: messages }
    if (entry === null && messages.length === 0) return { type: 'operator.refused', code: 'unknown_call' }
    return {
      type: 'call.trace.report',
      callId: entry?.callId ?? null,
      payerSipCallIds: payer.map(hideCardNumbers),
      agentSipCallIds: agent.map(hideCardNumbers),
      isEnded: entry === null || entry.endedAtMs !== null,
      messages,
      events: entry?.events ?? [],
    }
  }

  /** Of every sipd that is connected; one that was started again knows only its own. */
  async #messages(sipCallIds: readonly string[]): Promise<readonly TracedMessage[] | 'no_sipd' | 'no_answer'> {
    if (this.#sipds.size === 0) return 'no_sipd'
    const question: SbcToSipd = { type: 'trace.read', sipCallIds: sipCallIds.slice(0, TRACE_CALL_IDS_MAX) }
    const answers = await Promise.all(
      [...this.#sipds].map((sipd) => sipd.request(question, { deadlineMs: TRACE_MS_MAX })),
    )
    const told = answers.flatMap((answer) => (answer.kind === 'reply' ? [answer.message.messages] : []))
    if (told.length === 0) return 'no_answer'
    // sipd has done this already; nothing leaves here on its word alone.
    return told
      .flat()
      .map((message) => ({ ...message, text: hideCardNumbers(message.text) }))
      .sort((one, other) => one.atMs - other.atMs || one.sequence - other.sequence)
  }
}
