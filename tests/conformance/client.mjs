// Runs the suite as its own command line does. Usage: node client.mjs SUITE http://PROXY PID
// Prints one JSON document: each test with its outcome, and the outcomes that the suite has stored
// of other caches. Judged is by the suite's own function, here and there. Progress is on stderr.

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const AT_ONCE = 25

const [suite, proxy, pid] = process.argv.slice(2)
const folder = path.resolve(suite)
const load = file => import(pathToFileURL(path.join(folder, file)))

const { default: suites } = await load('tests/index.mjs')
const { default: surrogate } = await load('tests/surrogate-control.mjs')
const { default: caches } = await load('results/index.mjs')
const { runTests, getResults } = await load('client/runner.mjs')
const { testResults } = await load('client/test.mjs')
const { determineTestResult } = await load('lib/display.mjs')
const fetch = createRequire(path.join(folder, 'cli.mjs'))('node-fetch')

// The suite has no other names for them than what it shows.
const OUTCOMES = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'FAIL',
  '⚠️': 'opt-fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup',
  '⁉️': 'harness',
  '⚪️': 'dep',
  '↻': 'retry'
}

suites.push(surrogate)
const tests = suites.flatMap(suite => suite.tests
  .filter(test => test.browser_only !== true)
  .map(test => ({ id: test.id, suite: suite.id, kind: test.kind ?? 'required' })))

function judge (results) {
  return Object.fromEntries(tests.map(({ id }) => {
    return [id, OUTCOMES[determineTestResult(suites, id, results)[2]]]
  }))
}

function others () {
  return caches.filter(cache => cache.type !== 'browser').map(({ name, version, file }) => {
    const results = JSON.parse(fs.readFileSync(path.join(folder, 'results', file)))
    return { name, version, outcomes: judge(results) }
  })
}

// Whoever started this is gone, and nobody else would stop the proxy.
process.stdin.on('end', () => {
  process.kill(Number(pid))
  process.exit(1)
}).resume()

let shown = 0
const progress = setInterval(() => {
  const done = Object.keys(testResults).length
  if (done > shown) console.error(`conformance: ${done} of ${tests.length} tests done`)
  shown = done
}, 1000)

await runTests(suites, fetch, false, proxy, AT_ONCE)
clearInterval(progress)
const results = getResults()
const outcomes = judge(results)
const judged = tests.map(test => {
  const result = results[test.id]
  const detail = Array.isArray(result) ? result.join(': ') : undefined
  return { ...test, outcome: outcomes[test.id], detail }
})
process.stdout.write(JSON.stringify({ tests: judged, others: others() }), () => process.exit(0))
