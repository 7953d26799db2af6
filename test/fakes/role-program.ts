/**
 * A role for the tests of the supervisor: it speaks the role's side of the IPC channel and does as it is told by its
 * first argument. `serve` is ready and closes when asked; `deaf` is ready and does not close; `taken` cannot start;
 * `silent` never becomes ready; `crash` is ready and prints what a falling runtime prints before it ends.
 */
const behaviour = process.argv.at(2) ?? ''

process.stdout.write(`${JSON.stringify({ level: 30, msg: 'began' })}\n`)
const tell = (message: object): void => void process.send?.(message)
process.on('disconnect', () => process.exit(0))
process.on('message', (message: { readonly type: string }) => {
  if (message.type === 'ping') tell({ type: 'pong' })
  if (message.type === 'close' && behaviour !== 'deaf') process.exit(0)
})

switch (behaviour) {
  case 'taken':
    process.send?.({ type: 'failed', code: 'EADDRINUSE', host: '127.0.0.1', port: 5060 }, () => process.exit(1))
    break
  case 'silent':
    break
  case 'crash':
    tell({ type: 'ready', addresses: [] })
    setTimeout(() => {
      process.stderr.write('memory that nobody may keep\n', () => process.exit(7))
    }, 100)
    break
  default:
    tell({ type: 'ready', addresses: Object.keys(process.env) })
}
