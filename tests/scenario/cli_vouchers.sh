#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A voucher that can be used once across all orders: decided over a query, in Lua, on a store and through a server.
set -eu
. "$(dirname "$0")/cli_steps.sh"
mkdir -p shop/aggregates
cat >shop/aggregates/order.lua <<'LUA'
return {
  category = "order",
  initial = function() return { vouchers = 0 } end,
  decide = { Place = function(state) return { type = "Placed", data = { vouchers = state.vouchers } } end },
  evolve = { VoucherUsed = function(state) state.vouchers = state.vouchers + 1 return state end },
}
LUA
cat >shop/aggregates/voucher.lua <<'LUA'
local function used(voucher) return { types = { "VoucherUsed" }, tags = { "voucher:" .. voucher } } end
return {
  reads = function(command)
    if command.type == "CountVouchers" then
      return { used(command.data.first), used(command.data.second) }
    end
    return used(command.data.voucher)
  end,
  initial = function() return { count = 0 } end,
  evolve = { VoucherUsed = function(state) state.count = state.count + 1 return state end },
  decide = {
    UseVoucher = function(state, command)
      if state.count > 0 then return reject("voucher_used", command.data.voucher .. " was used") end
      return { type = "VoucherUsed", tags = { "voucher:" .. command.data.voucher } }
    end,
    CountVouchers = function(state) return { type = "VouchersCounted", data = { count = state.count } } end,
  },
}
LUA

steps()
{
    expect 0 command send UseVoucher order-1 --data '{"voucher":"A"}' $with -o json
    out_has '"type":"VoucherUsed"'
    expect 9 command send UseVoucher order-2 --data '{"voucher":"A"}' $with -o json
    out_is '{"code":"voucher_used","message":"A was used"}'
    expect 0 command send UseVoucher order-2 --data '{"voucher":"B"}' $with -o json
    expect 0 command send CountVouchers count-1 --data '{"first":"A","second":"B"}' $with -o json
    out_has '"data":{"count":2}'
    # The order's own decider sees the events that went to its stream, in the order of the commands.
    cat >in <<LINES
{"type":"Place","stream":"order-3"}
{"type":"UseVoucher","stream":"order-3","data":{"voucher":"C"}}
{"type":"Place","stream":"order-3"}
LINES
    expect 0 command send - --quiet $with
    sed -n 1p out | grep -q '"data":{"vouchers":0}' || fail "the first is not before the voucher"
    sed -n 3p out | grep -q '"data":{"vouchers":1}' || fail "the third is not behind the voucher"
    # Of two at the same time one has it; which of them is not said, but for those of one stream.
    : >in
    expect 4 command send UseVoucher order-5 --data '{"voucher":"D"}' --expected-version 3 $with
    err_has 'version 0'
    expect 1 command send UseVoucher order-5 $with
    err_has 'reads on order-5: aggregates/voucher.lua:'
    expect 3 stream read order-5 $where

    awk 'BEGIN { for (n = 0; n < 200; n++)
        printf "{\"type\":\"UseVoucher\",\"stream\":\"order-x%d\",\"data\":{\"voucher\":\"V%d\"}}\n", n, n % 10 }' >in
    expect 0 command send - --quiet $with
    [ "$(grep -c '"type":"VoucherUsed"' out)" -eq 10 ] || fail "not each voucher once"
    [ "$(grep -c '"code":"voucher_used"' out)" -eq 190 ] || fail "not all the others rejected"
    : >in
}

where="--store $(store local)"
with="$where --app shop"
steps
serve shop --store "$(store served)"
where="--server $url" with="--server $url"
steps
stop
