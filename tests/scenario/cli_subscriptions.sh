#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Durable subscriptions at the command line: the same life, with the same output, on a store and through a server.
set -eu
. "$(dirname "$0")/cli_steps.sh"

# live PLACE…: what becomes of six events; the place is `--store URI` or `--server URL`.
live()
{
    for stream in a-1 b-1 a-1; do
        expect 0 stream append $stream --type Noted --tag x --data '{"n":1}' "$@"
    done
    expect 3 subscription show mail "$@"
    expect 2 subscription create Mail "$@"
    expect 2 subscription create mail --members 65 "$@"
    expect 2 subscription create mail --after 4 "$@"
    expect 0 subscription create mail --category a --category b --tag x --max-attempts 2 -o json "$@"
    out_has '{"name":"mail","state":"active","position":0,"head":3,"lag":3,"parked":0,"categories":["a","b"],'
    expect 0 subscription create mail --category a --category b --tag x --max-attempts 2 -o json "$@"
    expect 4 subscription create mail --members 2 "$@"
    expect 0 subscription list -o ndjson "$@"
    out_lines 1
    expect 0 subscription list -o table "$@"
    out_has 'mail'

    expect 2 subscription read mail "$@"
    expect 0 subscription read mail --consumer ann --limit 2 -o ndjson "$@"
    out_lines 2
    out_has '"recorded_at"'
    expect 0 subscription read mail --consumer ann -o json "$@"
    out_has '{"events":[{"position":1,"stream":"a-1",'
    out_has ',"attempt":1}],"position":0,"lease_until":"2'
    expect 5 subscription read mail --consumer bob "$@"
    err_has 'is held by ann until'
    expect 4 subscription ack mail 3 --consumer ann "$@"
    err_has 'waits for position 1'
    expect 4 subscription ack mail 1 --consumer bob "$@"
    expect 2 subscription ack mail --consumer ann "$@"
    expect 2 subscription ack mail x --consumer ann "$@"
    expect 2 subscription ack mail 9 --consumer ann "$@"
    expect 0 subscription ack mail 2 --consumer ann -o json "$@"
    out_is '{"name":"mail","outcome":"acknowledged"}'
    expect 0 subscription retry mail 1 --consumer ann --reason 'no answer' -o json "$@"
    out_is '{"name":"mail","outcome":"held"}'
    expect 4 subscription ack mail --through 2 --consumer ann "$@"
    expect 0 subscription read mail --consumer ann --limit 1 -o json "$@"
    out_has '"attempt":2}]'
    expect 0 subscription retry mail 1 --consumer ann --reason 'no answer' -o json "$@"
    out_is '{"name":"mail","outcome":"parked"}'
    expect 0 subscription read mail --consumer ann -o ndjson "$@"
    out_is ''
    expect 0 subscription parked mail -o json "$@"
    out_has '{"parked":[{"member":1,"stream":"a-1","position":1,"version":1,"attempts":2,'
    out_has '"reason":"no answer","actor":"ann"'
    expect 0 subscription parked mail -o table "$@"
    out_has 'no answer'
    expect 3 subscription retry mail 2 "$@"
    expect 2 subscription retry mail 1 --delay-ms 5 "$@"
    expect 0 subscription retry mail 1 -o json "$@"
    out_is '{"name":"mail","outcome":"unparked"}'
    expect 0 subscription read mail --consumer ann -o ndjson "$@"
    out_lines 2
    expect 0 subscription park mail 1 --reason 'by hand' --actor eve -o json "$@"
    out_is '{"name":"mail","outcome":"parked"}'
    expect 0 subscription skip mail 1 -o json "$@"
    out_is '{"name":"mail","outcome":"skipped"}'
    expect 0 subscription ack mail 3 --consumer ann "$@"
    expect 0 subscription show mail -o json "$@"
    out_has '"position":3,"head":3,"lag":0,"parked":0,'
    out_has '"consumer":"ann"'

    # Events of other tags are none of it; two that are parked come by pages.
    expect 0 stream append a-1 --type Noted "$@"
    for stream in a-2 a-3; do
        expect 0 stream append $stream --type Noted --tag x "$@"
    done
    expect 0 subscription read mail --consumer ann -o ndjson "$@"
    out_lines 2
    expect 0 subscription park mail 5 "$@"
    expect 0 subscription park mail 6 "$@"
    expect 0 subscription parked mail --limit 1 -o ndjson "$@"
    out_lines 1
    err_has 'more: --after 0001/a-2'
    expect 0 subscription parked mail --after 0001/a-2 -o ndjson "$@"
    out_has '"stream":"a-3"'
    expect 0 log read --tag x --tag x -o ndjson "$@"
    out_lines 5
    expect 0 log read --tag y -o ndjson "$@"
    out_lines 0
    expect 0 subscription read mail --consumer ann --wait-ms 50 -o ndjson "$@"
    out_lines 0
    expect 2 subscription read mail --consumer ann --wait-ms 60001 "$@"
}

live --store "$(store t)"
serve "$app" --store "$(store served)"
live --server "$url"

# Both tell the same of what became of it.
for words in 'list' 'parked mail'; do
    for format in table json ndjson; do
        # shellcheck disable=SC2086 # these are several words
        expect 0 subscription $words -o $format --server "$url"
        cp out remote
        # shellcheck disable=SC2086
        expect 0 subscription $words -o $format --store "$(store served)"
        cmp -s out remote || fail "a server answers differently"
    done
done

# A read that waits comes back with what is appended meanwhile.
"$varve" subscription read mail --consumer ann --wait-ms 60000 -o ndjson --server "$url" >waited 2>err &
reader=$!
expect 0 stream append a-4 --type Noted --tag x --server "$url"
wait "$reader"
grep -q '"stream":"a-4"' waited || fail "the read that waited has not got the event"

expect 0 subscription delete mail -o json --server "$url"
out_is '{"name":"mail","outcome":"deleted"}'
expect 3 subscription delete mail --server "$url"
stop
expect 0 subscription delete mail -o json --store "$(store t)"
out_is '{"name":"mail","outcome":"deleted"}'
expect 3 subscription delete mail --store "$(store t)"
expect 3 subscription list --store "$(store none)"
