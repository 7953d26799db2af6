import { connect, createServer } from 'node:net'

/**
 * Run inside a network namespace: joins a local socket, which has no network, to an address there. First argument: the socket's file;
 * then host and port. Ends with its parent.
 */
const [file = '', host = '', port = ''] = process.argv.slice(2)
createServer((local) => {
  const far = connect(Number(port), host)
  local.pipe(far).pipe(local)
  for (const [one, other] of [
    [local, far],
    [far, local],
  ] as const)
    one.on('error', () => other.destroy()).on('close', () => other.destroy())
}).listen(file, () => process.send?.('ready'))
process.on('disconnect', () => process.exit(0))
