#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looking back from the command line: history, differences, one event; the same through a server.
set -eu
. "$(dirname "$0")/cli_steps.sh"
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":2,"price":450}]}'

serve "$app" --store "$(store t)"
expect 0 command send PlaceOrder order-7 --data "$order" --id 01900000-0000-7000-8000-0000000000aa --server "$url"
expect 0 command send ShipOrder order-7 --server "$url"
expect 0 stream append order-7 --type NobodyKnows --metadata '{"actor":"ann"}' --server "$url" -o json
for n in 1 2 3; do
    expect 0 stream append note-$n --type Noted --server "$url"
done

# What is read beside the server is what the server answers, in every format.
same()
{
    expect 0 "$@" --server "$url"
    cp out remote
    cp err remote.err
    case $1 in
    aggregate) set -- "$@" --app "$app" ;;
    esac
    expect 0 "$@" --store "$(store t)"
    cmp -s out remote || fail "a server answers differently"
    cmp -s err remote.err || fail "a server's notes are different"
}
id=$("$varve" stream read order-7 --limit 1 --store "$(store t)" 2>err | sed 's/.*"id":"\([^"]*\)".*/\1/')
for format in json ndjson table; do
    same aggregate history order-7 -o $format
    same aggregate history order-7 --from 2 --limit 1 -o $format
    same aggregate diff order-7 -o $format
    same aggregate diff order-7 --from 1 --to 2 -o $format
    same aggregate diff order-7 --from-at 2020-01-01T00:00:00Z --clock occurred --to 2 -o $format
    same event show "$id" -o $format
    same stream list -o $format
    same stream list --category note --after note-1 --limit 1 -o $format
    same log read --limit 2 -o $format
done

expect 0 aggregate history order-7 --store "$(store t)" --app "$app" -o json
out_has '{"stream":"order-7","entries":[{"version":1,"position":1,"type":"OrderPlaced","event_id":"'"$id"'",'
out_has '"metadata":{"correlation_id":"01900000-0000-7000-8000-0000000000aa",'
out_has '{"op":"replace","path":"/status","value":"PLACED"}'
out_has '"metadata":{"actor":"ann"},"patch":[]}],"next":null}'
expect 0 aggregate history order-7 --store "$(store t)" --app "$app" -o ndjson
out_lines 3
expect 0 aggregate history order-7 --limit 2 --store "$(store t)" --app "$app" -o json
out_has '],"next":3}'

# For people: a line for each change, who did it and why.
expect 0 aggregate history order-7 --store "$(store t)" --app "$app" -o table
head -1 out | grep -q '^time  *version  type  *actor  cause  *change$' || fail "no heading"
grep -q '1  OrderPlaced  *-      01900000-0000-7000-8000-0000000000aa  + /customer_id "c-1"$' out || fail "no placing"
grep -q '^  *~ /status "PLACED"$' out || fail "no line for a further change"
grep -q '2  OrderShipped .*~ /status "SHIPPED"$' out || fail "no shipment"
grep -q '3  NobodyKnows  *ann  *-  *-$' out || fail "no line for an event that changed nothing"
out_lines 7

expect 0 aggregate diff order-7 --from 1 --to 2 --store "$(store t)" --app "$app" -o json
out_is '{"stream":"order-7","from":1,"to":2,"patch":[{"op":"replace","path":"/status","value":"SHIPPED"}]}'
expect 0 aggregate diff order-7 --from 1 --to 2 --store "$(store t)" --app "$app" -o table
err_has 'from version 1 to version 2'
expect 0 aggregate diff order-7 --from 2 --store "$(store t)" --app "$app" -o json
out_is '{"stream":"order-7","from":2,"to":3,"patch":[]}'

# What does not exist, and what contradicts itself.
for where in "--server $url" "--store $(store t) --app $app"; do
    # shellcheck disable=SC2086 # these are several words
    {
        expect 3 aggregate history order-99 $where
        expect 3 aggregate history parcel-1 $where
        expect 3 aggregate diff order-7 --from 1 --to 9 $where
        expect 2 aggregate diff order-7 --to-at 2999-01-01T00:00:00Z $where
        expect 2 aggregate diff order-7 --from 1 --from-at 2020-01-01T00:00:00Z $where
        expect 2 aggregate diff order-7 --to 0 $where
        expect 2 aggregate diff order-7 --from 1 --clock occurred $where
        expect 2 aggregate history order-7 --from first $where
    }
done
expect 3 event show 01900000-0000-7000-8000-0000000000ff --server "$url"
expect 3 event show 01900000-0000-7000-8000-0000000000ff --store "$(store t)"
expect 2 event show 7 --store "$(store t)"

# More streams than a page of the server has.
awk 'BEGIN {
    for (n = 1; n <= 1500; n++) printf "{\"type\":\"PlaceOrder\",\"stream\":\"order-m%d\",\"data\":{}}\n", n
}' | sed "s/{}/$order/" >in
expect 0 command send - --server "$url"
: >in
same stream list --category order -o ndjson
out_lines 1501
stop

# A long history, more than a page.
awk 'BEGIN {
    printf "{\"events\":["
    for (n = 1; n <= 450; n++) printf "%s{\"stream\":\"order-long\",\"type\":\"NobodyKnows\"}", (n > 1 ? "," : "")
    print "]}"
}' >in
expect 0 append - --store "$(store t)"
: >in
expect 0 aggregate history order-long --store "$(store t)" --app "$app" -o ndjson
out_lines 450
[ "$(sed 's/,.*//' out | sort -u | wc -l)" -eq 450 ] || fail "not every version once"
