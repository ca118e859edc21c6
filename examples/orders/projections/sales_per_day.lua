-- SPDX-License-Identifier: Apache-2.0
-- One row a day (UTC): what was sold on it, without what was cancelled later. A cancellation says neither when its
-- order was placed nor what it came to, so the projection looks that up in a table of its own.

local function total_of(order)
  local items, amount = 0, 0
  for _, item in ipairs(order.items) do
    items = items + item.qty
    amount = amount + item.qty * item.price
  end
  return items, amount
end

-- Adds to a day, or takes from it: then everything is negative.
local function add(db, day, orders, items, amount)
  db.run([[
    INSERT INTO sales (day, orders, items, amount) VALUES (:day, :orders, :items, :amount)
    ON CONFLICT (day) DO UPDATE SET orders = sales.orders + excluded.orders, items = sales.items + excluded.items,
                                    amount = sales.amount + excluded.amount]],
    { day = day, orders = orders, items = items, amount = amount })
end

return {
  name = "sales_per_day",
  version = 1,

  create = [[
    CREATE TABLE sales (
        day    TEXT PRIMARY KEY,
        orders BIGINT NOT NULL,
        items  BIGINT NOT NULL,
        amount BIGINT NOT NULL
    );
    CREATE TABLE placed (
        order_id TEXT PRIMARY KEY,
        day      TEXT NOT NULL,
        items    BIGINT NOT NULL,
        amount   BIGINT NOT NULL
    )]],

  on = {
    OrderPlaced = function(event, db)
      local day = event.occurred_at:sub(1, 10)
      local items, amount = total_of(event.data)
      add(db, day, 1, items, amount)
      db.run("INSERT INTO placed VALUES (:order_id, :day, :items, :amount)",
        { order_id = event.stream, day = day, items = items, amount = amount })
    end,

    OrderCancelled = function(event, db)
      local placed = db.one("SELECT day, items, amount FROM placed WHERE order_id = :order_id",
        { order_id = event.stream })
      if placed then
        add(db, placed.day, -1, -placed.items, -placed.amount)
        db.run("DELETE FROM placed WHERE order_id = :order_id", { order_id = event.stream })
      end
    end,
  },
}
