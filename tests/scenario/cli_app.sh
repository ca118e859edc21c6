#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An application from the command line, without a server: commands, aggregates, queries, projections.
set -eu
. "$(dirname "$0")/cli_steps.sh"
VARVE_STORE=$(store t) VARVE_APP=$app
export VARVE_STORE VARVE_APP
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":2,"price":450}]}'

expect 0 command send PlaceOrder order-7 --data "$order" -o json
out_has '{"stream":"order-7","version":1,"first_position":1,"last_position":1,"events":[{"position":1,'
out_has '"type":"OrderPlaced"'
expect 9 command send PlaceOrder order-7 --data "$order" -o json
out_is '{"code":"order_not_pending","message":"status is PLACED"}'

# The same command again answers as the first time.
id=01900000-0000-7000-8000-000000000001
expect 0 command send PlaceOrder order-8 --data "$order" --id $id --actor ann -o json
out_has '"actor":"ann"'
sed 's/}$/,"repeated":true}/' out >first
expect 0 command send PlaceOrder order-8 --data "$order" --id $id --actor ann -o json
cmp -s out first || fail "a repetition is answered differently"

expect 4 command send ShipOrder order-7 --expected-version 5
err_has 'version 1'
expect 0 command send ShipOrder order-7 --expected-version 1
expect 3 command send Teleport order-7
expect 3 command send PlaceOrder parcel-1
expect 2 command send PlaceOrder order-9 --data '{"customer_id":'
expect 2 command send PlaceOrder order-9 --expected-version soon
expect 2 command send PlaceOrder order-9 --id 7
expect 9 command send PlaceOrder order-9

# A batch: a line in, a line out, in the same order; one line does not stop the rest.
cat >in <<LINES
{"type":"PlaceOrder","stream":"order-10","data":$order}
{"type":"PlaceOrder","stream":"order-10","data":$order}

{"type":"ShipOrder","stream":"order-10"}
LINES
expect 0 command send -
out_lines 3
[ "$(sed -n 2p out)" = '{"code":"order_not_pending","message":"status is PLACED"}' ] || fail "no rejection in line 2"
sed -n 3p out | grep -q '"type":"OrderShipped"' || fail "no shipment in line 3"
err_has '2 accepted, 1 rejected, 0 failed; last position 5'
cat >batch.ndjson <<LINES
{"type":"PlaceOrder","stream":"order-11","data":$order}
{"type":"PlaceOrder","stream":"order-12","data":
{"type":"PlaceOrder","stream":"order-13","data":$order,"colour":"red"}
{"type":"PlaceOrder","stream":"order-14","data":$order}
LINES
: >in
expect 2 command send batch.ndjson --quiet
out_lines 4
[ "$(grep -c '^{"stream":' out)" -eq 2 ] || fail "not two accepted"
[ "$(grep -c '^{"error":"invalid","message":' out)" -eq 2 ] || fail "not two refused"
err_has 'command 2: '
[ "$(wc -l <err)" -eq 1 ] || fail "--quiet is not quiet"
expect 2 command send batch.ndjson --data '{}'
expect 3 command send nothing.ndjson

# Many lines, more than are under way at once.
awk 'BEGIN {
    items = "[{\"sku\":\"tea\",\"qty\":1,\"price\":1}]"
    for (n = 1; n <= 3000; n++) {
        printf "{\"type\":\"PlaceOrder\",\"stream\":\"order-x%d\",", n
        printf "\"data\":{\"customer_id\":\"c-2\",\"items\":%s}}\n", items
    }
}' >in
expect 0 command send -
out_lines 3000
awk -F'"' '$4 != "order-x" NR { exit 1 }' out || fail "answers are not in the order of the commands"
: >in

# State, now and in the past.
expect 0 aggregate show order-7 -o json
state='{"customer_id":"c-1","items":[{"price":450,"qty":2,"sku":"tea"}],"status":"SHIPPED","total_amount":900}'
out_is '{"stream":"order-7","version":2,"state":'"$state"',"snapshot_version":0,"events_replayed":2}'
expect 0 aggregate show order-7 --version 1 -o json
out_has '"status":"PLACED"'
expect 3 aggregate show order-7 --version 3
expect 3 aggregate show order-7 --at 2020-01-01T00:00:00Z
expect 3 aggregate show order-99
expect 2 aggregate show order-7 --version 1 --at 2020-01-01T00:00:00Z
expect 2 aggregate show order-7 --clock occurred

# Queries catch up first.
expect 0 query customer_orders customer_id=c-1 -o json
out_has '{"rows":[{"order_id":'
out_has '"position":3007,"next":null}'
expect 0 query order_summary order_id=order-7 --after-position 3 -o ndjson
out_has '{"order_id":"order-7","customer_id":"c-1","customer_name":null,'
out_has '"item_count":2,"total_amount":900,"status":"SHIPPED",'
expect 0 query customer_orders customer_id=c-2 --limit 2 -o table
out_lines 3
err_has 'at position 3007'
cursor=$(sed -n 's/^more: --cursor //p' err)
cp out page
expect 0 query customer_orders customer_id=c-2 --limit 2 --cursor "$cursor" -o table
cmp -s out page && fail "the second page is the first"
# A large page is what smaller ones are one after the other, and no row of all comes twice.
expect 0 query customer_orders customer_id=c-2 --limit 1000 -o ndjson
grep -o '"order_id":"[^"]*"' out >whole
: >pages
cursor=
while :; do
    expect 0 query customer_orders customer_id=c-2 --limit 700 ${cursor:+--cursor "$cursor"} -o json
    grep -o '"order_id":"[^"]*"' out >>pages
    cursor=$(sed -n 's/.*"next":"\([^"]*\)".*/\1/p' out)
    [ -n "$cursor" ] || break
done
head -n 1000 pages | cmp -s - whole || fail "smaller pages are not the large one"
[ -z "$(sort pages | uniq -d)" ] || fail "a row came twice"
expect 0 query customer_orders customer_id=c-2 --explain -o json
out_has '{"query":"customer_orders","statement":"WITH '
out_has '"parameters":{"p1":"customer_id"},"reads":[{"projection":"order_summary","generation":'
out_has '"warnings":['
expect 0 query customer_orders customer_id=c-2 --explain -o table
out_has 'plan'
expect 2 query customer_orders --explain
expect 3 query nothing
expect 2 query customer_orders
err_has 'customer_id'
expect 2 query customer_orders customer_id=c-1 colour=red
expect 2 query customer_orders customer_id
expect 2 query customer_orders customer_id=c-1 --cursor nonsense
expect 2 query customer_orders customer_id=c-1 --limit 1001
expect 0 query customer_orders "customer_id=c-1' OR '1'='1" -o json
out_has '{"rows":[],'

expect 0 projection list -o json
forget_owner
place='"position":3007,"head":3007,"lag":0,"parked":0,"rebuild":null}'
out_has '{"projections":[{"name":"customer_emails","version":1,"mode":"inline","state":"stopped",'"$place,"
out_has '{"name":"order_summary","version":2,"mode":"async","state":"stopped",'"$place,"
out_has '{"name":"sales_per_day","version":1,"mode":"async","state":"stopped",'"$place,"
out_has '{"name":"stock","version":1,"mode":"async","state":"stopped",'"$place]}"
expect 0 projection rebuild order_summary -o json
forget_owner
out_is '{"name":"order_summary","version":2,"mode":"async","state":"live",'"$place"
expect 0 query order_summary order_id=order-7
out_has '"status":"SHIPPED"'
expect 3 projection rebuild nothing

expect 0 doctor
out_has '{"check":"application","result":"ok"'
expect 0 store verify -o json
out_has '{"ok":true,"events":3007,'
