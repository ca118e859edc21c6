// SPDX-License-Identifier: Apache-2.0
//
// The load that every peer in JavaScript is put under: `callers` of them append one event, or execute one command, at a
// time, and each waits until that is answered. Prints one line of JSON.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

// node SCRIPT TARGET LINES CALLERS COUNT FIRST
export const [target, , callers, count, first] = process.argv
  .slice(2)
  .map((word, i) => (i < 2 ? word : Number(word)))

// `call` is given an event or a command; false: it was given up, because others were faster each time.
export async function measure(call, print = console.log) {
  const lines = readFileSync(process.argv[3], 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
  const times = []
  let next = 0
  let done = 0
  const caller = async () => {
    while (next < count) {
      const line = lines[(first + next++) % lines.length]
      const start = performance.now()
      if ((await call(line)) !== false) done++
      times.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: callers }, caller))
  const seconds = (performance.now() - start) / 1000
  times.sort((a, b) => a - b)
  const at = (part) => times[Math.max(0, Math.ceil(part * times.length) - 1)]
  print(JSON.stringify({ seconds, count, done, p50_ms: at(0.5), p99_ms: at(0.99) }))
}
