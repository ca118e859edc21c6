-- SPDX-License-Identifier: Apache-2.0
-- How much of a sku can still be reserved; no row when its stock is not kept.

-- @query stock
-- @reads stock
-- @param sku text
SELECT sku, available
FROM stock.stock
WHERE sku = :sku
