import { parseToAnalyser, type FromAnalyser } from '../../wire/trunk-check-protocol.ts'
import { Analyser } from './analyser.ts'

/** The analyser as a program of its own: orders come from the parent, figures go to it, and nothing goes elsewhere. */
const analyser = new Analyser(tell)

process.on('message', (value) => {
  const message = parseToAnalyser(value)
  if (message !== null) void analyser.hear(message)
})
// The parent is gone, and with it the call.
process.on('disconnect', () => process.exit(0))
// A terminal's Ctrl-C reaches this process too; the parent still wants the figures.
process.on('SIGINT', () => undefined)
// What a runtime prints when it falls over can quote memory.
process.on('uncaughtException', () => process.exit(1))
tell({ type: 'ready' })

function tell(message: FromAnalyser): void {
  if (process.connected) process.send?.(message)
}
