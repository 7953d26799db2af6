import t from 'tap'
import { payOver } from '../../bench/leak/codecs.ts'
import { CodecGateway } from '../../bench/leak/codecs-gateway.ts'
import { SendingClock } from '../../bench/leak/real-path-clock.ts'
import { BenchSite } from '../../bench/leak/real-path-site.ts'

t.test('a card is paid by keys over Opus, GSM and G.729, nothing is readable, and the call goes on', async (t) => {
  const site = await BenchSite.start({ say: () => undefined })
  const gateway = await CodecGateway.start()
  const clock = new SendingClock()
  t.teardown(async () => {
    clock.close()
    await site.close()
    await gateway.close()
  })
  const tried = (['opus', 'GSM', 'G729'] as const).flatMap((codec) =>
    (['in-band', 'events'] as const).map((transport) => ({ codec, transport })),
  )
  const paid = await Promise.all(
    tried.map(({ codec, transport }) => payOver(codec, transport, { site, clock, gateway })),
  )
  for (const outcome of paid) {
    t.match(
      outcome,
      { isPaid: true, problems: [], recovered: 0, told: 0, isHeardAfter: true },
      `${outcome.codec}, ${outcome.transport}`,
    )
  }
})
