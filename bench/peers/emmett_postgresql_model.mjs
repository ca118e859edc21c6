// SPDX-License-Identifier: Apache-2.0
import { rawSql, sql } from '@event-driven-io/dumbo'
import { postgreSQLRawSQLProjection } from '@event-driven-io/emmett-postgresql'
import { change, counted, expect, table, types } from './orders_model.mjs'

export const orders = postgreSQLRawSQLProjection({
  name: 'orders',
  canHandle: types,
  evolve: ({ data, metadata }) =>
    sql(change('%L', '%L', '%L'), metadata.streamName, data.customer_id, data.total_amount),
  init: () => rawSql(table),
})

export const check = async (pool, count) => expect((await pool.query(counted)).rows[0], count)
