-- A customer: registered once, renamed at will. `schemas/CustomerRenamed.json` holds a new name to its shape, and
-- `upcasters/customer_registered.lua` reads the registrations of old.

local function is_text(value)
  return type(value) == "string" and value ~= "" and #value <= 200
end

return {
  category = "customer",

  initial = function()
    return { registered = false }
  end,

  decide = {
    RegisterCustomer = function(state, command)
      local name, email = command.data.name, command.data.email
      if state.registered then return reject("registered_already", "the customer is " .. state.name) end
      if not is_text(name) then return reject("invalid_name", "a name has 1 to 200 bytes") end
      if not is_text(email) or not pattern.match(email, [[^[^@\s]+@[^@\s]+$]]) then
        return reject("invalid_email", "an e-mail address has one @")
      end
      return { type = "CustomerRegistered", schema_version = 2, data = { name = name, email = email } }
    end,

    RenameCustomer = function(state, command)
      local name = command.data.name
      if not state.registered then return reject("not_registered", "there is no such customer") end
      if not is_text(name) then return reject("invalid_name", "a name has 1 to 200 bytes") end
      if name == state.name then return end
      return { type = "CustomerRenamed", data = { name = name } }
    end,
  },

  evolve = {
    CustomerRegistered = function(state, event)
      state.registered = true
      state.name = event.data.name
      state.email = event.data.email
      return state
    end,

    CustomerRenamed = function(state, event)
      state.name = event.data.name
      return state
    end,
  },
}
