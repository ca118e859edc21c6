#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Places N varied orders through a running server and ends with one line:
#   {"accepted":N,"rejected":M,"last_position":P}
#
# The same N and run give the same commands with the same ids, so that doing it again answers with the
# first results and adds nothing. Another --run places other orders.
set -eu

usage()
{
    echo "usage: place-orders.sh N [--server URL] [--run R]" >&2
    exit 2
}

is_number()
{
    case $1 in
    '' | *[!0-9]* | ????????*) return 1 ;;
    esac
}

count=''
run=1
server=${VARVE_SERVER:-http://127.0.0.1:8080}
while [ $# -gt 0 ]; do
    case $1 in
    --server) [ $# -ge 2 ] || usage; server=$2; shift ;;
    --run) [ $# -ge 2 ] || usage; run=$2; shift ;;
    -*) usage ;;
    *) [ -z "$count" ] || usage; count=$1 ;;
    esac
    shift
done
is_number "$count" && is_number "$run" && [ "$run" -le 65535 ] || usage

folder=$(dirname "$0")
if [ -n "${VARVE:-}" ]; then
    varve=$VARVE
elif [ -x "$folder/../../build/varve" ]; then
    varve=$folder/../../build/varve
else
    varve=varve
fi

# One command a line. After every twentieth order comes one that the decider rejects: an order
# without items, or one that was placed already.
generate()
{
    awk -v count="$count" -v run="$run" '
        # Park and Miller (1988): the same numbers whichever awk this is.
        function random(below) {
            seed = (seed * 16807) % 2147483647
            return int(seed / 2147483647 * below)
        }
        function place(stream, customer, items) {
            id = sprintf("01900000-%04x-7000-8000-%012x", run, ++commands)
            printf "{\"type\":\"PlaceOrder\",\"stream\":\"%s\",\"id\":\"%s\",", stream, id
            printf "\"data\":{\"customer_id\":\"c-%d\",\"items\":[%s]}}\n", customer, items
        }
        BEGIN {
            kinds = split("tea coffee cocoa sugar honey bread butter cheese apples pears", sku, " ")
            split("450 890 620 180 740 320 410 1150 290 340", price, " ")
            seed = 20260102 + run
            for (n = 1; n <= count; n++) {
                customer = 1 + random(100)
                items = ""
                for (lines = 1 + random(4); lines > 0; lines--) {
                    kind = 1 + random(kinds)
                    items = items (items == "" ? "" : ",") sprintf("{\"sku\":\"%s\",\"qty\":%d,\"price\":%d}",
                                                                   sku[kind], 1 + random(5), price[kind])
                }
                stream = "order-" run "-" n
                place(stream, customer, items)
                if (n % 40 == 20) place(stream "-empty", customer, "")
                if (n % 40 == 0) place(stream, customer, items)
            }
        }'
}

{
    code=0
    generate | "$varve" command send - --server "$server" --quiet -o ndjson || code=$?
    echo "exit $code"
} | awk '
    /^[{]"stream":/ {
        accepted++
        match($0, /"last_position":[0-9]+/)
        position = substr($0, RSTART + 16, RLENGTH - 16) + 0
        if (position > last) last = position
    }
    /^[{]"code":/ { rejected++ }
    /^exit / { code = $2 }
    END {
        printf "{\"accepted\":%d,\"rejected\":%d,\"last_position\":%d}\n", accepted, rejected, last
        exit code
    }'
