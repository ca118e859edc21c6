// SPDX-License-Identifier: Apache-2.0
//
// The load that every peer in JavaScript is put under: `callers` of them append one event at a time, and each waits
// until that is answered. Prints one line of JSON.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

// node SCRIPT TARGET EVENTS CALLERS COUNT FIRST
export const [target, , callers, count, first] = process.argv
  .slice(2)
  .map((word, i) => (i < 2 ? word : Number(word)))

export async function measure(append, print = console.log) {
  const events = readFileSync(process.argv[3], 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
  const times = []
  let next = 0
  const call = async () => {
    while (next < count) {
      const event = events[(first + next++) % events.length]
      const start = performance.now()
      await append(event)
      times.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: callers }, call))
  const seconds = (performance.now() - start) / 1000
  times.sort((a, b) => a - b)
  const at = (part) => times[Math.max(0, Math.ceil(part * times.length) - 1)]
  print(JSON.stringify({ seconds, count, p50_ms: at(0.5), p99_ms: at(0.99) }))
}
