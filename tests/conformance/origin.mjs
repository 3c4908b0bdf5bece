// The suite's own origin, on a free loopback port. Usage: node origin.mjs SUITE
// It prints its address, and ends when its stdin does: nothing is left behind by a killed parent.

import net from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const suite = path.resolve(process.argv[2])

// The suite would listen on every interface, and serve the files of its folder to whoever asks.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port) {
  return listen.call(this, port, '127.0.0.1')
}

// What `npm run server` would set.
process.env.npm_config_protocol = 'http'
process.env.npm_config_port = '0'
process.env.npm_config_pidfile = '/dev/null'
process.chdir(suite)

process.stdin.on('end', () => process.exit(0)).resume()
await import(pathToFileURL(path.join(suite, 'server/server.mjs')))
