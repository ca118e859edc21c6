-- At first a customer had two names, and registrations from then say so. Now there is one.
return {
  type = "CustomerRegistered",
  upcast = function(event)
    local old = event.data
    return { data = { name = old.first_name .. " " .. old.last_name, email = old.email } }
  end,
}
