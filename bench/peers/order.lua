-- SPDX-License-Identifier: Apache-2.0
-- The aggregate that commands are measured with: it counts its events and adds their amounts up.

local MOST = 1000000000000 -- an order's total, which none comes to: so that a decision looks at the state

local function add(state, event)
  state.events = state.events + 1
  state.total_amount = state.total_amount + event.data.total_amount
  return state
end

local function emit(type)
  return function(state, command)
    if state.total_amount > MOST then return reject("too_large", "the order is too large") end
    return { type = type, data = command.data }
  end
end

return {
  category = "order",
  initial = function() return { events = 0, total_amount = 0 } end,
  decide = {
    PlaceOrder = emit("OrderPlaced"),
    AmendOrder = emit("OrderAmended"),
    PayOrder = emit("OrderPaid"),
    ShipOrder = emit("OrderShipped"),
  },
  evolve = { OrderPlaced = add, OrderAmended = add, OrderPaid = add, OrderShipped = add },
}
