-- An order: PENDING until it is placed, then PLACED, then SHIPPED or CANCELLED.
-- Amounts are integers in the currency's minor unit, so 1250 is 12.50.

local function is_name(value)
  return type(value) == "string" and value ~= ""
end

-- The upper bounds keep any total within a 64-bit integer.
local function is_integer(value, least, most)
  return math.type(value) == "integer" and value >= least and value <= most
end

-- What is wrong with the items of an order, or nil.
local function problem_with(items)
  if type(items) ~= "table" or #items == 0 then return "an order has at least one item" end
  for number, item in ipairs(items) do
    if type(item) ~= "table" then return "item " .. number .. " is not an object" end
    if not is_name(item.sku) then return "item " .. number .. " needs a sku" end
    if not is_integer(item.qty, 1, 100000) then
      return "item " .. number .. " needs a qty, an integer from 1 to 100000"
    end
    if not is_integer(item.price, 0, 1000000000) then
      return "item " .. number .. " needs a price, an integer from 0 to 1000000000"
    end
  end
end

-- The first sku of which there is less than the order wants, or nil. What nobody keeps stock of is always there.
local function find_short(items, ask)
  local wanted = {}
  for _, item in ipairs(items) do
    wanted[item.sku] = (wanted[item.sku] or 0) + item.qty
    local stock = ask.query("stock", { sku = item.sku }).rows[1]
    if stock and stock.available < wanted[item.sku] then return { sku = item.sku, available = stock.available } end
  end
end

local function total_of(items)
  local total = 0
  for _, item in ipairs(items) do total = total + item.qty * item.price end
  return total
end

return {
  category = "order",
  snapshot_every = 50,
  state_version = 1,

  initial = function()
    return { status = "PENDING", items = array() }
  end,

  -- What the read model says may be a moment old: this keeps customers from ordering what there is not, and the
  -- inventory, which has the last word, from refusing it afterwards.
  enrich = {
    PlaceOrder = function(command, ask)
      local order = command.data
      if type(order) ~= "table" or problem_with(order.items) then return {} end
      return { short = find_short(order.items, ask) }
    end,
  },

  decide = {
    PlaceOrder = function(state, command)
      local order = command.data
      if state.status ~= "PENDING" then return reject("order_not_pending", "status is " .. state.status) end
      if type(order) ~= "table" or not is_name(order.customer_id) then
        return reject("invalid_order", "an order needs a customer_id")
      end
      local problem = problem_with(order.items)
      if problem then return reject("invalid_order", problem) end
      local short = command.context.short
      if short then return reject("out_of_stock", short.sku .. ": " .. short.available .. " left") end
      return {
        type = "OrderPlaced",
        data = { customer_id = order.customer_id, items = order.items, total_amount = total_of(order.items) },
      }
    end,

    ShipOrder = function(state)
      if state.status ~= "PLACED" then return reject("order_not_placed", "status is " .. state.status) end
      return { type = "OrderShipped" }
    end,

    CancelOrder = function(state, command)
      if state.status ~= "PLACED" then return reject("order_not_placed", "status is " .. state.status) end
      local reason = type(command.data) == "table" and command.data.reason or null
      if reason ~= null and type(reason) ~= "string" then return reject("invalid_reason", "a reason is a text") end
      return { type = "OrderCancelled", data = { reason = reason } }
    end,
  },

  evolve = {
    OrderPlaced = function(state, event)
      state.status = "PLACED"
      state.customer_id = event.data.customer_id
      state.items = event.data.items
      state.total_amount = event.data.total_amount
      return state
    end,

    OrderShipped = function(state)
      state.status = "SHIPPED"
      return state
    end,

    VoucherUsed = function(state, event)
      state.voucher = event.data.voucher
      return state
    end,

    OrderCancelled = function(state, event)
      state.status = "CANCELLED"
      state.reason = event.data.reason
      return state
    end,
  },
}
