-- The stock of one sku: what is on hand, and how much of it is reserved for which order.

local QTY_MAX = 1000000000

local function is_qty(value)
  return math.type(value) == "integer" and value >= 1 and value <= QTY_MAX
end

local function is_name(value)
  return type(value) == "string" and value ~= ""
end

local function free(state)
  return state.on_hand - state.reserved
end

return {
  category = "inventory",

  initial = function()
    return { on_hand = 0, reserved = 0, orders = {} }
  end,

  decide = {
    ReceiveStock = function(state, command)
      local qty = command.data.qty
      if not is_qty(qty) then return reject("invalid_qty", "qty is an integer from 1 to " .. QTY_MAX) end
      if state.on_hand > QTY_MAX - qty then return reject("too_much", "there is room for " .. QTY_MAX) end
      return { type = "StockReceived", data = { qty = qty } }
    end,

    -- An order has one reservation: to ask for it again changes nothing, to ask for another amount is refused.
    ReserveStock = function(state, command)
      local qty, order = command.data.qty, command.data.order_id
      if not is_name(order) then return reject("invalid_order", "a reservation needs an order_id") end
      if not is_qty(qty) then return reject("invalid_qty", "qty is an integer from 1 to " .. QTY_MAX) end
      local held = state.orders[order]
      if held == qty then return end
      if held then return reject("reserved_already", order .. " has " .. held) end
      if qty > free(state) then return reject("out_of_stock", free(state) .. " left") end
      return { type = "StockReserved", data = { order_id = order, qty = qty } }
    end,

    -- The order is off: what it held is free again. One that holds nothing is no mistake, so it may be said twice.
    ReleaseStock = function(state, command)
      local order = command.data.order_id
      if not is_name(order) then return reject("invalid_order", "a release needs an order_id") end
      local held = state.orders[order]
      if not held then return end
      return { type = "StockReleased", data = { order_id = order, qty = held } }
    end,
  },

  evolve = {
    StockReceived = function(state, event)
      state.on_hand = state.on_hand + event.data.qty
      return state
    end,

    StockReserved = function(state, event)
      state.reserved = state.reserved + event.data.qty
      state.orders[event.data.order_id] = event.data.qty
      return state
    end,

    StockReleased = function(state, event)
      state.reserved = state.reserved - event.data.qty
      state.orders[event.data.order_id] = nil
      return state
    end,
  },
}
