/**
 * - `same`: SSRC and timestamps go through, sequence numbers are closed up over dropped packets. For G.711 on both legs.
 * - `own`: SSRC, sequence and timestamps are the window's own. For a leg that rtpengine transcodes.
 */
export type HeaderMode = 'same' | 'own'

/** What the guard draws at random for mode `own`, per window (RFC 3550 section 5.1 asks for random starts). */
export type OwnHeaders = { readonly ssrc: number; readonly sequence: number; readonly timestamp: number }

/** A packet's place among what came in. */
export type Arrival = {
  readonly kind: 'arrived'
  /** Index of its SSRC among those of this window. */
  readonly source: number
  /** Grows with every restart; numbers of different runs cannot be compared. */
  readonly run: number
  /** Sequence number without wrap, of this source. */
  readonly extended: number
  /** True for the first packet after a change of SSRC or a jump of the sequence numbers. */
  readonly restarted: boolean
}

export type ArrivalRefusal = { readonly kind: 'refused'; readonly code: 'duplicate' | 'too_many_sources' }

/** A jump beyond this is a restart, not loss or reordering; 20 s at 20 ms (RFC 3550 appendix A.1 lets 3000 pass). */
const SEQUENCE_JUMP_MAX = 1000

/** A payer is one source; transfer and hold may bring a new one. More in one window is no telephone. */
const SOURCES_MAX = 4

/** Numbers remembered, in and out: a power of two above SEQUENCE_JUMP_MAX, so that no two in reach share a slot. */
const REMEMBERED = 2048

/** Dropped packets remembered to place a late one among them; a key press drops a few end packets. */
const CLOSURES_REMEMBERED = 64

/** Far below any real number of an unwrapped sequence: a slot that was never used. */
const NEVER = Number.MIN_SAFE_INTEGER

/** Numbers that came in from one SSRC. */
type Source = { readonly ssrc: number; run: number; highest: number; readonly seen: Float64Array }

/** Numbers that left under one SSRC. */
type Outlet = {
  run: number
  /** Out is in plus this. */
  offset: number
  /** Highest number in, of this run, that was sent or dropped. */
  judged: number
  highest: number
  readonly seen: Float64Array
  readonly closures: Float64Array
  closed: number
}

/**
 * Sequence numbers and SSRC of what leaves. It never gives one sequence number of an SSRC to two packets: towards an
 * SRTP leg that would be the same keystream twice (RFC 3711 section 9.1).
 */
export class RtpHeaderMap {
  readonly #mode: HeaderMode
  readonly #own: OwnHeaders
  readonly #sources: Source[] = []
  /** One for each source in mode `same`, one for all in mode `own`. */
  readonly #outlets: Outlet[] = []
  #current = -1
  #runs = 0

  constructor(options: { readonly mode: HeaderMode; readonly own: OwnHeaders }) {
    this.#mode = options.mode
    this.#own = options.own
  }

  /** Places a packet as it comes in. A number that this source used before is refused as a duplicate. */
  arrive(packet: { readonly ssrc: number; readonly sequence: number }): Arrival | ArrivalRefusal {
    const index = this.#sourceIndex(packet.ssrc)
    const source = this.#sources[index]
    if (source === undefined) return TOO_MANY_SOURCES
    let extended = packet.sequence
    let jumped = source.highest === NEVER
    if (!jumped) {
      const step = ((packet.sequence - source.highest) << 16) >> 16
      jumped = step > SEQUENCE_JUMP_MAX || step < -SEQUENCE_JUMP_MAX
      // After a jump the numbers go on well above what is remembered, equal to the packet's in the lower 16 bits.
      extended = jumped ? source.highest + 65536 + (step < 0 ? step + 65536 : step) : source.highest + step
    }
    const slot = extended & (REMEMBERED - 1)
    if (source.seen[slot] === extended) return DUPLICATE
    source.seen[slot] = extended
    const restarted = jumped || index !== this.#current
    if (jumped || (restarted && this.#mode === 'own')) source.run = this.#runs += 1
    if (extended > source.highest) source.highest = extended
    this.#current = index
    return { kind: 'arrived', source: index, run: source.run, extended, restarted }
  }

  /** The number under which a packet leaves, or undefined when it cannot be placed any more. */
  send(arrival: Arrival): number | undefined {
    const outlet = this.#outletOf(arrival)
    if (outlet === undefined) return undefined
    const out = arrival.extended + outlet.offset + closuresAbove(outlet, arrival.extended)
    const slot = out & (REMEMBERED - 1)
    // What is older than the memory cannot be told from a repeat.
    if (outlet.seen[slot] === out || out <= outlet.highest - SEQUENCE_JUMP_MAX) return undefined
    outlet.seen[slot] = out
    if (out > outlet.highest) outlet.highest = out
    if (arrival.extended > outlet.judged) outlet.judged = arrival.extended
    return out & 0xffff
  }

  /** A packet that is kept back on purpose: the ones after it close up, unless they have left already. */
  drop(arrival: Arrival): void {
    const outlet = this.#outletOf(arrival)
    if (outlet === undefined || arrival.extended <= outlet.judged) return
    outlet.judged = arrival.extended
    outlet.offset -= 1
    outlet.closures[outlet.closed % CLOSURES_REMEMBERED] = arrival.extended
    outlet.closed += 1
  }

  ssrc(arrival: Arrival): number {
    return this.#mode === 'own' ? this.#own.ssrc : (this.#sources[arrival.source]?.ssrc ?? this.#own.ssrc)
  }

  /** The payer's own timestamp, or the window's at this place of the timeline. */
  timestamp(place: { readonly payer: number; readonly position: number }): number {
    return this.#mode === 'own' ? (this.#own.timestamp + place.position) >>> 0 : place.payer >>> 0
  }

  #sourceIndex(ssrc: number): number {
    for (let index = 0; index < this.#sources.length; index += 1) {
      if (this.#sources[index]?.ssrc === ssrc) return index
    }
    if (this.#sources.length === SOURCES_MAX) return -1
    this.#sources.push({ ssrc, run: 0, highest: NEVER, seen: new Float64Array(REMEMBERED).fill(NEVER) })
    return this.#sources.length - 1
  }

  /** The outlet, brought to the packet's run; undefined for a packet of a run that is over. */
  #outletOf(arrival: Arrival): Outlet | undefined {
    const index = this.#mode === 'own' ? 0 : arrival.source
    let outlet = this.#outlets[index]
    if (outlet === undefined) {
      // Numbers of the first run: as they come in, or from the window's own start.
      const offset = this.#mode === 'own' ? this.#own.sequence - arrival.extended : 0
      outlet = newOutlet({ run: arrival.run, offset, judged: arrival.extended - 1 })
      this.#outlets[index] = outlet
    }
    if (arrival.run < outlet.run) return undefined
    if (arrival.run > outlet.run) {
      outlet.run = arrival.run
      outlet.offset = outlet.highest + 1 - arrival.extended
      outlet.judged = arrival.extended - 1
      outlet.closed = 0
      outlet.closures.fill(NEVER)
    }
    return outlet
  }
}

function newOutlet(start: { readonly run: number; readonly offset: number; readonly judged: number }): Outlet {
  return {
    ...start,
    highest: start.judged + start.offset,
    seen: new Float64Array(REMEMBERED).fill(NEVER),
    closures: new Float64Array(CLOSURES_REMEMBERED).fill(NEVER),
    closed: 0,
  }
}

/** How many packets above this one were dropped: a late packet leaves under the offset of its own time. */
function closuresAbove(outlet: Outlet, extended: number): number {
  if (extended > outlet.judged || outlet.closed === 0) return 0
  let above = 0
  for (const closure of outlet.closures) if (closure > extended) above += 1
  return above
}

const DUPLICATE: ArrivalRefusal = { kind: 'refused', code: 'duplicate' }
const TOO_MANY_SOURCES: ArrivalRefusal = { kind: 'refused', code: 'too_many_sources' }
