-- SPDX-License-Identifier: Apache-2.0
-- One row an order: what was bought, by whom, for how much, and where it stands. Amounts are in minor units.
-- An order names its customer by the part after `customer-`; their name is NULL until they have registered.

-- @projection order_summary
-- @version 2

-- @create
CREATE TABLE orders (
    order_id      TEXT PRIMARY KEY,
    customer_id   TEXT NOT NULL,
    customer_name TEXT,
    item_count    INTEGER NOT NULL,
    total_amount  BIGINT NOT NULL,
    status        TEXT NOT NULL,
    last_updated  TEXT NOT NULL
);
CREATE INDEX orders_of_customer ON orders (customer_id, last_updated DESC, order_id);
CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY,
    name        TEXT NOT NULL
);

-- @on OrderPlaced
-- @sqlite
INSERT INTO orders (order_id, customer_id, item_count, total_amount, status, last_updated)
SELECT :stream, :data.customer_id,
       coalesce(sum(value ->> 'qty'), 0), coalesce(sum((value ->> 'qty') * (value ->> 'price')), 0),
       'PLACED', :occurred_at
FROM json_each(:data.items)
WHERE true
ON CONFLICT (order_id) DO UPDATE
SET customer_id = excluded.customer_id, item_count = excluded.item_count, total_amount = excluded.total_amount,
    status = excluded.status, last_updated = excluded.last_updated;
-- @postgres
INSERT INTO orders (order_id, customer_id, item_count, total_amount, status, last_updated)
SELECT :stream, :data.customer_id,
       coalesce(sum((item ->> 'qty')::bigint), 0),
       coalesce(sum((item ->> 'qty')::bigint * (item ->> 'price')::bigint), 0),
       'PLACED', :occurred_at
FROM jsonb_array_elements(:data.items::jsonb) AS item
ON CONFLICT (order_id) DO UPDATE
SET customer_id = excluded.customer_id, item_count = excluded.item_count, total_amount = excluded.total_amount,
    status = excluded.status, last_updated = excluded.last_updated;

-- @on OrderPlaced
UPDATE orders SET customer_name = (SELECT name FROM customers WHERE customers.customer_id = orders.customer_id)
WHERE order_id = :stream;

-- @on OrderShipped
UPDATE orders SET status = 'SHIPPED', last_updated = :occurred_at WHERE order_id = :stream;

-- @on OrderCancelled
UPDATE orders SET status = 'CANCELLED', last_updated = :occurred_at WHERE order_id = :stream;

-- @on CustomerRegistered, CustomerRenamed
INSERT INTO customers (customer_id, name) VALUES (:aggregate_id, :data.name)
ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name;
UPDATE orders SET customer_name = :data.name WHERE customer_id = :aggregate_id;
