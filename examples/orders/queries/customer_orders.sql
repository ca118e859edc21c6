-- SPDX-License-Identifier: Apache-2.0
-- A customer's orders, newest first.

-- @query customer_orders
-- @reads order_summary
-- @param customer_id text
SELECT order_id, customer_id, customer_name, item_count, total_amount, status, last_updated
FROM order_summary.orders
WHERE customer_id = :customer_id
ORDER BY last_updated DESC, order_id
