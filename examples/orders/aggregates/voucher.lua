-- A voucher can be used once, on whatever order: a rule that no order's state knows. So it is decided over a query, on
-- what happened to the voucher, and its event goes to the order that the command names.

local function is_code(value)
  return type(value) == "string" and pattern.match(value, [[^[A-Z0-9]{3,20}$]]) ~= nil
end

return {
  reads = function(command)
    return { types = { "VoucherUsed" }, tags = { "voucher:" .. tostring(command.data.voucher) } }
  end,

  initial = function()
    return { used = false }
  end,

  decide = {
    UseVoucher = function(state, command)
      local voucher = command.data.voucher
      if not is_code(voucher) then return reject("invalid_voucher", "a voucher is 3 to 20 of A-Z and 0-9") end
      if state.used then return reject("voucher_used", voucher .. " was used on " .. state.order_id) end
      return { type = "VoucherUsed", data = { voucher = voucher }, tags = { "voucher:" .. voucher } }
    end,
  },

  evolve = {
    VoucherUsed = function(state, event)
      state.used = true
      state.order_id = event.stream
      return state
    end,
  },
}
