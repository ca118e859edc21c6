-- SPDX-License-Identifier: Apache-2.0
-- What was sold on each day from `first` to `last`, such as 2026-11-01 and 2026-11-30, newest first.

-- @query sales_per_day
-- @reads sales_per_day
-- @param first text
-- @param last text
SELECT day, orders, items, amount
FROM sales_per_day.sales
WHERE day >= :first AND day <= :last
ORDER BY day DESC
