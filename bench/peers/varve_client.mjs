// SPDX-License-Identifier: Apache-2.0
// varve's server, from the same language: a connection that is kept open for each caller.
import http from 'node:http'
import { callers, target } from './load.mjs'

export const agent = new http.Agent({ keepAlive: true, maxSockets: callers })

export const post = (path, content) =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify(content)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = http.request(target + path, { method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      answer.on('end', () => (answer.statusCode < 300 ? resolve() : reject(new Error(`HTTP ${answer.statusCode}`))))
    })
    request.on('error', reject)
    request.end(body)
  })
