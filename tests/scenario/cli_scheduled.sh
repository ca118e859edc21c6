#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands that are kept until they are due: on a store and through a server alike, and from the one to the other.
set -eu
. "$(dirname "$0")/cli_steps.sh"
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":2,"price":450}]}'
a=01900000-0000-7000-8000-00000000000a
b=01900000-0000-7000-8000-00000000000b
c=01900000-0000-7000-8000-00000000000c
never=2999-01-02T03:04:05Z

# kept PLACE…: what is scheduled and not due; the place is `--store URI` or `--server URL`.
kept()
{
    expect 0 command send PlaceOrder order-1 --data "$order" --id $a --not-before $never -o json "$@"
    out_has '{"id":"'$a'","type":"PlaceOrder","stream":"order-1","state":"waiting",'
    out_has '"not_before":"2999-01-02T03:04:05.000000Z"'
    out_has '"attempts":0'
    expect 0 command send PlaceOrder order-1 --data " $order" --id $a --not-before $never -o json "$@"
    expect 4 command send PlaceOrder order-1 --data "$order" --id $a --not-before 2999-01-02T03:04:06Z "$@"
    err_has 'scheduled already'
    expect 4 command send ShipOrder order-1 --id $a --not-before $never "$@"
    expect 2 command send ShipOrder order-1 --not-before tomorrow "$@"
    expect 2 command send ShipOrder order-1 --not-before +5 "$@"
    expect 2 command send ShipOrder order-1 --not-before 1969-01-01T00:00:00Z "$@"
    expect 2 command send - --not-before $never "$@"
    expect 0 command send ShipOrder order-1 --id $b --not-before +30d --expected-version 1 --correlation-id f-1 \
        -o json "$@"
    out_has '"expected_version":1,"correlation_id":"f-1"'

    expect 0 scheduled list -o ndjson "$@"
    out_lines 2
    expect 0 scheduled list --limit 1 -o json "$@"
    out_has '"next":"'$a'"}'
    expect 0 scheduled list --limit 1 --after $a -o json "$@"
    out_has '{"scheduled":[{"id":"'$b'"'
    out_has '"next":null}'
    expect 2 scheduled list --after x "$@"
    expect 0 scheduled list -o table "$@"
    out_has 'waiting'
    expect 0 scheduled show $a -o json "$@"
    out_has "\"data\":$order"
    expect 0 scheduled cancel $b -o json "$@"
    out_is '{"id":"'$b'","outcome":"cancelled"}'
    expect 3 scheduled cancel $b "$@"
    expect 3 scheduled show $b "$@"
    expect 2 scheduled show x "$@"
}

# Waits until a scheduled command is not kept any more.
gone()
{
    until ! "$varve" scheduled show "$1" --server "$url" >/dev/null 2>&1; do :; done
}

local=$(store local)
kept --store "$local"
expect 2 command send ShipOrder order-1 --store "$local"
err_has 'which application?'
expect 3 command send ShipOrder nothing-1 --not-before +1s --store "$local" --app "$app"

# What is put into a store without an application is executed by the server that comes, in order of time.
expect 0 command send ShipOrder order-2 --id $c --not-before 2026-01-01T00:00:02Z --store "$local"
expect 0 command send PlaceOrder order-2 --data "$order" --id $b --not-before 2026-01-01T00:00:01Z --store "$local"
serve "$app" --store "$local"
gone $c
gone $b
expect 0 stream read order-2 -o ndjson --server "$url"
out_lines 2
expect 0 scheduled list -o ndjson --server "$url"
out_lines 1
# It was executed: a repeat says so, and the same id at once is told the first outcome.
expect 0 command send PlaceOrder order-2 --data "$order" --id $b --not-before 2026-01-01T00:00:01Z -o json \
    --server "$url"
out_has '"state":"done"'
expect 0 command send PlaceOrder order-2 --data "$order" --id $b -o json --server "$url"
out_has '"repeated":true'
stop

serve "$app" --store "$(store served)"
kept --server "$url"
expect 3 command send ShipOrder nothing-1 --not-before +1s --server "$url"

# A batch has both kinds of lines.
cat >in <<LINES
{"type":"PlaceOrder","stream":"order-5","data":$order}
{"type":"ShipOrder","stream":"order-5","id":"$b","not_before":"$never"}
{"type":"ShipOrder","stream":"order-6","id":"$c","not_before":"2026-01-01T00:00:00Z"}
{"type":"ShipOrder","stream":"order-6","not_before":"soon"}
LINES
expect 2 command send - --quiet --server "$url"
: >in
out_lines 4
sed -n 2p out | grep -q '^{"id":"'$b'".*"state":"waiting"' || fail "the second line is not scheduled"
sed -n 4p out | grep -q '"error":"invalid"' || fail "the fourth line is not refused"

# What the domain rejects stays to be seen, with its reason.
until "$varve" scheduled show $c --server "$url" -o json | grep -q '"state":"rejected"'; do :; done
expect 0 scheduled show $c -o json --server "$url"
out_has '"code":"order_not_placed"'
expect 0 scheduled cancel $c -o json --server "$url"
out_is '{"id":"'$c'","outcome":"dismissed"}'
stop

# What waits, waits in the store.
expect 0 scheduled list -o ndjson --store "$(store served)"
out_lines 2

# Whoever gets no answer is told how to repeat it: for the very time that +15m was.
mkfifo port
python3 -c '
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.close()' >port &
server=$!
read -r port <port
expect 8 command send ShipOrder order-9 --id $a --not-before +15m --server "http://127.0.0.1:$port"
grep -q -- "--id $a --not-before [0-9]*-[0-9-]*T[0-9:.]*Z\$" err || fail "the hint has not the time"
expect 8 command send ShipOrder order-9 --id $a --not-before $never --server "http://127.0.0.1:$port"
err_has "--id $a --not-before 2999-01-02T03:04:05.000000Z"
