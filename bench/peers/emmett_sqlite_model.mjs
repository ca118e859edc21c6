// SPDX-License-Identifier: Apache-2.0
// A projection on SQLite is a plain definition: this version has none made of SQL, and makes no tables for one.
import sqlite3 from 'sqlite3'
import { change, counted, expect, table, types } from './orders_model.mjs'

export const orders = {
  name: 'orders',
  canHandle: types,
  handle: async (events, { connection }) => {
    for (const { data, metadata } of events) {
      const values = [metadata.streamName, data.customer_id, data.total_amount]
      await connection.command(change('?', '?', '?'), values)
    }
  },
}

const ask = (file, text) =>
  new Promise((resolve, reject) => {
    const db = new sqlite3.Database(file)
    db.get(text, (error, row) => db.close(() => (error ? reject(error) : resolve(row))))
  })

export const prepare = (file) => ask(file, table)
export const check = async (file, count) => expect(await ask(file, counted), count)
