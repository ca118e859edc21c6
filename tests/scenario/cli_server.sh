#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A server's life, and the same verbs through it: the same output and the same exit codes as on the store itself.
set -eu
. "$(dirname "$0")/cli_steps.sh"
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":2,"price":450}]}'

serve "$app" --store "$(store t)"
address=${url#http://}
export VARVE_SERVER="$url"

expect 0 stream append note-1 --type Noted --data '{"a": 1.50}' --expected-version none -o json
out_is '{"stream":"note-1","version":1,"first_position":1,"last_position":1}'
expect 4 stream append note-1 --type Noted --expected-version none
err_has 'version 1'
expect 0 command send PlaceOrder order-7 --data "$order" -o json
out_has '{"stream":"order-7","version":1,"first_position":2,"last_position":2,"events":[{"position":2,'
expect 9 command send PlaceOrder order-7 --data "$order" -o json
out_is '{"code":"order_not_pending","message":"status is PLACED"}'
expect 4 command send ShipOrder order-7 --expected-version 5
err_has 'version 1'
expect 3 command send Teleport order-7
expect 2 command send PlaceOrder order-7 --data '{'
expect 2 command send PlaceOrder order-7 --actor ann
err_has 'not built yet'

cat >in <<LINES
{"type":"PlaceOrder","stream":"order-8","data":$order}
{"type":"PlaceOrder","stream":"order-8","data":$order}
{"type":"ShipOrder"
LINES
expect 2 command send -
[ "$(cut -c1-10 out)" = '{"stream":
{"code":"o
{"error":"' ] || fail "the answers are not accepted, rejected, failed"
err_has '1 accepted, 1 rejected, 1 failed; last position 3'
cp out remote
"$varve" command send - --store "$(store other)" --app "$app" --quiet -o ndjson <in >local 2>err || true
[ "$(tail -2 remote)" = "$(tail -2 local)" ] || fail "a server answers a batch differently"
: >in
echo '{"events":[{"stream":"a-1","type":"X"},{"stream":"b 1/ü%","type":"Y"}]}' >in
expect 0 append - -o json
out_is '{"first_position":4,"last_position":5,"streams":{"a-1":1,"b 1/ü%":1}}'
: >in
expect 0 query customer_orders customer_id=c-1 --after-position 5 -o json
out_has '"position":5,"next":null}'
expect 5 query customer_orders customer_id=c-1 --after-position 1000

# What is read through the server is what is read beside it, from the store.
same()
{
    expect 0 "$@"
    cp out remote
    if [ "$1" = query ] || [ "$1" = aggregate ]; then
        set -- "$@" --app "$app"
    fi
    expect 0 "$@" --store "$(store t)"
    cmp -s out remote || fail "a server answers differently"
}
for format in json ndjson table; do
    same stream read order-8 -o $format
    same stream read order-8 --direction backward --limit 1 -o $format
    same stream read 'b 1/ü%' -o $format
    same log read -o $format
    same log read --type OrderPlaced --category order --limit 1 -o $format
    same aggregate show order-7 -o $format
    same aggregate show order-7 --version 1 -o $format
    same query customer_orders customer_id=c-1 -o $format
    same query customer_orders customer_id=c-1 --explain -o $format
done
expect 3 stream read order-99
expect 3 aggregate show order-99
expect 3 query nothing
expect 2 query customer_orders

# A reader that follows sees what is there and what comes.
mkfifo live
"$varve" log read --follow --limit 6 --server "$url" >live 2>follow.err &
follower=$!
exec 4<live
for n in 1 2 3 4 5; do
    read -r line <&4
done
expect 0 stream append note-1 --type Noted
read -r line <&4
echo "$line" >out
out_has '"position":6,'
wait $follower || fail "following ended with a failure"

expect 0 projection rebuild order_summary --wait -o json
forget_owner
out_has '"name":"order_summary","version":2,"mode":"async","state":"live"'
out_has '"rebuild":null}'
expect 0 projection list -o table
out_has 'order_summary'
expect 3 projection rebuild nothing
expect 0 doctor -o json
out_has '{"check":"server","result":"ok"'

# One writer of a file: a second one is told which process it is.
unset VARVE_SERVER
if in_a_file; then
    expect 5 stream append note-1 --type Noted --store "$(store t)"
    err_has "process $server"
    expect 5 command send ShipOrder order-7 --store "$(store t)" --app "$app"
    err_has "process $server"
    expect 5 serve "$app" --store "$(store t)" --listen 127.0.0.1:0
    err_has "process $server"
    expect 5 projection rebuild order_summary --store "$(store t)" --app "$app"
fi
expect 5 serve "$app" --store "$(store third)" --listen "$address"
err_has 'in use'

# place-orders.sh: every order once, however often it runs, and the printed position answers at once.
run=$(VARVE=$varve "$app/place-orders.sh" 200 --server "$url")
[ "$run" = '{"accepted":200,"rejected":10,"last_position":206}' ] || { echo "place-orders: $run" >&2; exit 1; }
again=$(VARVE=$varve "$app/place-orders.sh" 200 --server "$url")
[ "$again" = "$run" ] || { echo "place-orders again: $again" >&2; exit 1; }
other=$(VARVE=$varve "$app/place-orders.sh" 20 --run 2 --server "$url")
[ "$other" = '{"accepted":20,"rejected":1,"last_position":226}' ] || { echo "another run: $other" >&2; exit 1; }
expect 0 query order_summary order_id=order-2-20 --after-position 226 --server "$url"
out_has '"status":"PLACED"'
code=0
VARVE=$varve "$app/place-orders.sh" many >out 2>err || code=$?
[ $code -eq 2 ] || fail "place-orders.sh takes a number that is none"

stop
expect 0 store verify --store "$(store t)"
expect 5 stream read order-7 --server "$url"
err_has 'cannot reach'

# SIGINT ends a server in the same way; its store is then free.
serve "$app" --store "$(store t)"
kill -INT "$server"
wait "$server" || fail "SIGINT did not end the server in good order"
server=''
expect 0 stream append note-1 --type Noted --store "$(store t)"
