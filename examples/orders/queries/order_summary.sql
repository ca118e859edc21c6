-- SPDX-License-Identifier: Apache-2.0
-- One order by its stream, such as order-7.

-- @query order_summary
-- @reads order_summary
-- @param order_id text
SELECT order_id, customer_id, customer_name, item_count, total_amount, status, last_updated
FROM order_summary.orders
WHERE order_id = :order_id
