// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A small libp2p peer on js-libp2p for the interoperability tests. Its command
// line, its protocols and its output are described in ../README.rst; every
// peer of that directory follows the same contract.
import './polyfill.mjs'
import { parseArgs } from 'node:util'
import { multiaddr } from '@multiformats/multiaddr'
import { benchDial, benchListen } from './bench.mjs'
import { CONNECT_LIMIT, TASK_LIMIT, TOTAL_LIMIT, within } from './limits.mjs'
import { describe, makeNode, stopNode } from './node.mjs'
import { log, printLine, reason } from './output.mjs'
import { serve } from './serve.mjs'
import { TASKS } from './tasks.mjs'

/** End the program because its command line makes no sense. */
function usage (complaint) {
  log(complaint)
  console.error('usage: peer listen [options] | peer dial MULTIADDR [options]')
  process.exit(2)
}

/** Read the role, the address to dial and the options. */
function parseCommandLine (argv) {
  const options = {
    transport: { type: 'string', default: 'tcp' },
    security: { type: 'string', default: 'noise' },
    muxer: { type: 'string', default: 'yamux' },
    port: { type: 'string', default: '0' },
    key: { type: 'string', default: 'ed25519' },
    'late-muxer': { type: 'boolean', default: false },
    psk: { type: 'string' }
  }
  const [role] = argv
  if (role === 'dial') {
    options.do = { type: 'string', default: 'ping,identify,echo' }
    options.size = { type: 'string', default: String(1 << 20) }
  } else if (role !== 'listen') {
    usage(`unknown role ${role}`)
  }
  let parsed
  try {
    parsed = parseArgs({ args: argv.slice(1), options, allowPositionals: role === 'dial' })
  } catch (err) {
    usage(err.message)
  }
  const { values, positionals } = parsed
  const choices = {
    ...values,
    role,
    target: positionals[0],
    port: Number(values.port),
    late: values['late-muxer']
  }
  if (!Number.isInteger(choices.port) || choices.port < 0) {
    usage(`bad port ${values.port}`)
  }
  if (role === 'dial') {
    if (positionals.length !== 1) {
      usage('dial needs one multiaddr')
    }
    choices.size = Number(values.size)
    if (!Number.isInteger(choices.size) || choices.size < 0) {
      usage(`bad size ${values.size}`)
    }
    choices.do = values.do.split(',').filter(name => name !== '')
    for (const name of choices.do) {
      if (!Object.hasOwn(TASKS, name)) {
        usage(`unknown task ${name}`)
      }
    }
  }
  return choices
}

/** Print where this peer listens, then serve until its parent is done. */
async function listen (choices) {
  const node = await makeNode(choices)
  node.addEventListener('connection:open', evt => {
    const connection = evt.detail
    printLine({ event: 'connected', peer: connection.remotePeer.toString(), ...describe(connection) })
  })
  node.addEventListener('connection:close', evt => {
    printLine({ event: 'disconnected', peer: evt.detail.remotePeer.toString() })
  })
  await serve(node, printLine)
  await node.start()
  const done = new Promise(resolve => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
    process.stdin.on('end', resolve)
    process.stdin.on('close', resolve)
    process.stdin.on('error', resolve)
    process.stdin.resume()
  })
  printLine({
    peerId: node.peerId.toString(),
    addrs: node.getMultiaddrs().map(addr => addr.toString()),
    pid: process.pid
  })
  await done
  await stopNode(node)
  process.exit(0)
}

/** Make the one connection that all tasks of a dialer use. */
async function connect (choices) {
  const target = multiaddr(choices.target)
  if (target.getComponents().at(-1)?.name !== 'p2p') {
    throw new Error('the multiaddr does not end in /p2p/ and a peer id')
  }
  const node = await makeNode(choices)
  await serve(node, () => {})
  await node.start()
  const identified = new Promise(resolve => {
    node.addEventListener('peer:identify', evt => { resolve(evt.detail) }, { once: true })
  })
  const connection = await node.dial(target, { signal: AbortSignal.timeout(CONNECT_LIMIT) })
  return { node, connection, identified, size: choices.size }
}

/** Connect, do the tasks and print what they told. */
async function dial (choices) {
  const line = {
    ok: false,
    remotePeer: null,
    security: null,
    muxer: null,
    early: null,
    late: choices.late,
    results: {},
    error: null
  }
  const fail = text => { line.error ??= text }
  const exit = () => {
    line.ok = line.error == null
    printLine(line)
    process.exit(line.ok ? 0 : 1)
  }
  setTimeout(() => {
    fail(`not done within ${TOTAL_LIMIT / 1000}s`)
    exit()
  }, TOTAL_LIMIT)
  let dialer
  try {
    dialer = await connect(choices)
  } catch (err) {
    fail(reason(err))
    exit()
  }
  line.remotePeer = dialer.connection.remotePeer.toString()
  Object.assign(line, describe(dialer.connection))
  for (const name of choices.do) {
    const facts = line.results[name] = {}
    try {
      await within(TASK_LIMIT, () => TASKS[name](dialer, facts))
    } catch (err) {
      facts.error = reason(err)
      fail(`${name}: ${facts.error}`)
    }
  }
  await stopNode(dialer.node)
  exit()
}

process.on('unhandledRejection', err => { log('unhandled:', err) })
const argv = process.argv.slice(2)
const bench = argv[0] === 'bench'
const choices = parseCommandLine(bench ? argv.slice(1) : argv)
const roles = bench ? { listen: benchListen, dial: benchDial } : { listen, dial }
try {
  await roles[choices.role](choices)
} catch (err) {
  log(reason(err))
  process.exit(1)
}
