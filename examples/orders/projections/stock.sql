-- SPDX-License-Identifier: Apache-2.0
-- One row a sku: how much of it can still be reserved.

-- @projection stock
-- @version 1

-- @create
CREATE TABLE stock (
    sku       TEXT PRIMARY KEY,
    available BIGINT NOT NULL
);

-- @on StockReceived
INSERT INTO stock (sku, available) VALUES (:aggregate_id, :data.qty)
ON CONFLICT (sku) DO UPDATE SET available = stock.available + excluded.available;

-- @on StockReserved
UPDATE stock SET available = available - :data.qty WHERE sku = :aggregate_id;

-- @on StockReleased
UPDATE stock SET available = available + :data.qty WHERE sku = :aggregate_id;
