#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `varve aggregate replay`: other code on all of a category's history, beside a server that goes on writing it.
set -eu
. "$(dirname "$0")/cli_steps.sh"

# 200 orders, of which order-50 is shipped, order-60 cancelled for a reason and order-70 for none.
serve "$app" --store "$(store t)"
awk 'BEGIN {
    data = "{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"tea\",\"qty\":2,\"price\":450}]}"
    for (n = 1; n <= 200; n++) printf "{\"type\":\"PlaceOrder\",\"stream\":\"order-%d\",\"data\":%s}\n", n, data
    print "{\"type\":\"ShipOrder\",\"stream\":\"order-50\"}"
    print "{\"type\":\"CancelOrder\",\"stream\":\"order-60\",\"data\":{\"reason\":\"late\"}}"
    print "{\"type\":\"CancelOrder\",\"stream\":\"order-70\"}"
}' >in
expect 0 command send - --server "$url"
: >in
expect 0 stream append note-1 --type Noted --server "$url"
expect 0 stream read order-70 --from 2 --store "$(store t)" -o ndjson
position=$(sed 's/^{"position":\([0-9]*\),.*/\1/' out)

# version NAME SED: the application with one thing changed.
version()
{
    mkdir -p "$1/aggregates"
    sed "$2" "$app/aggregates/order.lua" >"$1/aggregates/order.lua"
    ! cmp -s "$app/aggregates/order.lua" "$1/aggregates/order.lua" || fail "$1 is no other version"
}
version sent 's/status = "SHIPPED"/status = "SENT"; state.sent = true/'
version strict '/^    OrderCancelled/a if event.data.reason == null then error("no reason") end'
version both 's/status = "SHIPPED"/status = "SENT"; state.sent = true/
/^    OrderCancelled/a if event.data.reason == null then error("no reason") end'

replay()
{
    want=$1
    shift
    expect "$want" aggregate replay order --store "$(store t)" "$@"
}

# What is as it was, whichever of the two formats.
replay 0 --app "$app"
[ ! -s out ] || fail "something was found"
err_has '200 streams, 203 events: 0 differ, 0 failed'
replay 0 --app "$app" --against "$app" --workers 3
err_has '200 streams, 203 events: 0 differ, 0 failed'
replay 0 --app "$app" --against "$app" -o json --quiet
out_is '{"differing":[],"failed":[],"streams":200,"events":203}'
[ ! -s err ] || fail "something on standard error"

# A state that differs.
differing='{"stream":"order-50","version":2,"patch":[{"op":"add","path":"/sent","value":true},'
differing="$differing"'{"op":"replace","path":"/status","value":"SENT"}]}'
replay 1 --app sent --against "$app" -o ndjson
out_is "$differing"
err_has 'varve: 1 streams differ, 0 failed'
replay 1 --app sent --against "$app" -o table
head -1 out | grep -q '^stream  *version  change$' || fail "no heading"
grep -q '^order-50  *2  + /sent true$' out || fail "no first change"
grep -q '^  *~ /status "SENT"$' out || fail "no second change"
out_lines 3
replay 0 --app sent

# An event that cannot be applied, of the version itself and of the one to compare with.
reason='evolve of OrderCancelled, version 2 on order-70: aggregates/order.lua:'
replay 1 --app strict
out_has '{"stream":"order-70","version":2,"position":'"$position"',"type":"OrderCancelled","against":false,"message":"'
out_has "$reason"
out_lines 1
err_has 'varve: 0 streams differ, 1 failed'
replay 1 --app strict -o table
out_has "! position $position: $reason"
replay 1 --app "$app" --against strict
out_has '"against":true,"message":"'"$reason"
replay 1 --app both --against "$app" -o json
out_has '{"differing":['"$differing"'],"failed":[{"stream":"order-70","version":2,"position":'"$position"
out_has '}],"streams":200,"events":203}'
err_has '200 streams, 203 events: 1 differ, 1 failed'

# The server has gone on all the while, and nothing was written.
expect 0 command send ShipOrder order-51 --server "$url"
replay 0 --app "$app"
err_has '200 streams, 204 events: 0 differ, 0 failed'
expect 0 aggregate show order-50 --server "$url" -o json
out_has '"snapshot_version":0'
stop

# What there is not, and what does not go together.
expect 0 aggregate replay order --store "$(store t)" --app "$app" --workers 1
expect 3 aggregate replay parcel --store "$(store t)" --app "$app"
err_has "varve: --app: $app has no aggregate of category 'parcel'"
mkdir -p other/aggregates
echo "return { category = 'parcel', evolve = {}, decide = {} }" >other/aggregates/parcel.lua
expect 3 aggregate replay order --store "$(store t)" --app "$app" --against other
err_has "varve: --against: other has no aggregate of category 'order'"
expect 0 aggregate replay parcel --store "$(store t)" --app other
err_has '0 streams, 0 events: 0 differ, 0 failed'
# Another version may be another set of upcasters.
cp -r "$app" upcast
mkdir -p upcast/upcasters
cat >upcast/upcasters/shipped.lua <<'END'
return { type = "OrderShipped", upcast = function() return nil end }
END
expect 1 aggregate replay order --store "$(store t)" --app upcast --against "$app" -o table
out_has '~ /status "PLACED"'
echo 'return {' >other/aggregates/parcel.lua
expect 2 aggregate replay order --store "$(store t)" --app "$app" --against other
err_has 'varve: --against: aggregates/parcel.lua:'
expect 3 aggregate replay order --store "$(store t)" --app "$app" --against nowhere
expect 2 aggregate replay order --store "$(store t)"
expect 2 aggregate replay order --app "$app"
expect 2 aggregate replay --store "$(store t)" --app "$app"
expect 2 aggregate replay order --store "$(store t)" --app "$app" --workers 17
expect 2 aggregate replay order --server http://127.0.0.1:1 --app "$app"
expect 2 aggregate replay order --server http://127.0.0.1:1
err_has '--server does not apply to `aggregate replay`'
