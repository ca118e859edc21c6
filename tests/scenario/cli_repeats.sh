#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands that come again, and what their events say of where they came from: on a store and through a server alike.
set -eu
. "$(dirname "$0")/cli_steps.sh"
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":2,"price":450}]}'
trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
a=01900000-0000-7000-8000-00000000000a
b=01900000-0000-7000-8000-00000000000b
c=01900000-0000-7000-8000-00000000000c

steps()
{
    # A rejection stays one, though the command could be accepted by now.
    expect 9 command send ShipOrder order-1 --id $a -o json
    out_is '{"code":"order_not_placed","message":"status is PENDING"}'
    expect 0 command send PlaceOrder order-1 --data "$order" --id $b -o json
    sed 's/}$/,"repeated":true}/' out >again
    expect 9 command send ShipOrder order-1 --id $a -o json
    out_is '{"code":"order_not_placed","message":"status is PENDING","repeated":true}'
    expect 0 command send PlaceOrder order-1 --data "$order" --id $b -o json
    cmp -s out again || fail "the first outcome is not told again"
    expect 0 command send PlaceOrder order-1 --data " $order " --id $b --expected-version 0 -o json
    cmp -s out again || fail "the first outcome is not told again"

    # An id is for one command.
    expect 4 command send ShipOrder order-1 --id $b
    err_has 'another command'
    expect 4 command send ShipOrder order-2 --id $a
    err_has 'another command'
    expect 4 command send PlaceOrder order-2 --data "$order" --id $b
    err_has 'order-1'
    expect 4 command send ShipOrder order-1 --data '{"a":1}' --id $a

    # In a batch each line in turn: the repeats of one id among them.
    cat >in <<LINES
{"type":"ShipOrder","stream":"order-1","id":"$c"}
{"type":"ShipOrder","stream":"order-1","id":"$c"}
{"type":"ShipOrder","stream":"order-1","id":"$a"}
{"type":"CancelOrder","stream":"order-1","id":"$c"}
LINES
    expect 4 command send - --quiet
    out_lines 4
    [ "$(grep -c '"version":2' out)" -eq 2 ] || fail "not shipped once and told twice"
    sed -n 2p out | grep -q '"repeated":true' || fail "the second line is no repeat"
    sed -n 3p out | grep -q '"code":"order_not_placed".*"repeated":true' || fail "the third line is no repeat"
    sed -n 4p out | grep -q '^{"error":"id-conflict"' || fail "the fourth line is no conflict"
    : >in

    # Where events came from.
    expect 0 command send PlaceOrder order-3 --data "$order" --traceparent $trace --correlation-id flow-7 \
        --causation-id e-1 -o json
    out_has '"correlation_id":"flow-7"'
    out_has '"command_causation_id":"e-1"'
    out_has '"traceparent":"'$trace'"'
    expect 2 command send ShipOrder order-3 --traceparent 00-nonsense
    err_has 'traceparent'
    echo '{"type":"ShipOrder","stream":"order-3","correlation_id":"flow-8"}' >in
    expect 0 command send - --quiet --traceparent $trace
    out_has '"correlation_id":"flow-8"'
    out_has '"traceparent":"'$trace'"'
    : >in
    expect 2 command send - --correlation-id flow-9
}

VARVE_STORE=$(store local) VARVE_APP=$app
export VARVE_STORE VARVE_APP
steps
unset VARVE_STORE VARVE_APP
serve "$app" --store "$(store served)"
VARVE_SERVER=$url
export VARVE_SERVER
steps
stop

# What became of it is in the store, not in the server.
unset VARVE_SERVER
expect 9 command send ShipOrder order-1 --id $a --store "$(store served)" --app "$app" -o json
out_has '"repeated":true'
