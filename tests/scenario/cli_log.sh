#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The log from the command line: append, read, list, follow, look, check; exact shapes and exit codes.
set -eu
. "$(dirname "$0")/cli_steps.sh"
s=$(store t)

# Reading does not create a store; the first write does.
expect 3 stream read order-1 --store $s
[ ! -e t.db ] || fail "reading has created a store"
expect 0 stream append order-1 --type OrderNoted --data '{"a":1}' --expected-version none --store $s -o json
out_is '{"stream":"order-1","version":1,"first_position":1,"last_position":1}'

# Conditions: the current version is on standard error.
expect 4 stream append order-1 --type OrderNoted --data '{"a":1}' --expected-version none --store $s -o json
err_has 'version 1'
out_is ''
expect 4 stream append order-1 --type OrderNoted --expected-version 7 --store $s
expect 4 stream append order-2 --type OrderNoted --expected-version exists --store $s
expect 0 stream append order-1 --type OrderNoted --expected-version 1 --store $s -o json
out_is '{"stream":"order-1","version":2,"first_position":2,"last_position":2}'

# A payload comes back byte for byte, whichever way it came in.
expect 0 stream append order-3 --type Kept --data '{"b": 12345678901234567 ,"a":1.50,"b2":[ ]}' --store $s
printf '{"from": "a file"}' >payload.json
expect 0 stream append order-3 --type Kept --data @payload.json --store $s
printf '{"from": "standard input"}' >in
expect 0 stream append order-3 --type Kept --data - --store $s
: >in
expect 0 stream read order-3 --store $s
out_lines 3
out_has '"data":{"b": 12345678901234567 ,"a":1.50,"b2":[ ]},"metadata"'
out_has '"data":{"from": "a file"}'
out_has '"data":{"from": "standard input"}'

# Everything about an event, and the same id again: the first result and nothing new.
id=01900000-0000-7000-8000-000000000001
for repetition in 1 2; do
    expect 0 stream append order-4 --type Full --id $id --tag a --tag b --metadata '{"k":1}' --actor ann \
        --occurred-at 2026-01-02T03:04:05Z --store $s -o json
    out_is '{"stream":"order-4","version":1,"first_position":6,"last_position":6}'
done
expect 0 stream read order-4 --store $s
out_lines 1
out_has "\"id\":\"$id\""
out_has '"metadata":{"actor":"ann","k":1},"tags":["a","b"],"occurred_at":"2026-01-02T03:04:05.000000Z"'

# Pages of a stream, forwards and backwards, and the past.
expect 0 stream read order-3 --limit 2 --store $s -o json
out_has '{"stream":"order-3","version":3,"events":[{"position":3,'
out_has '],"next":3}'
expect 0 stream read order-3 --from 3 --store $s -o json
out_has '],"next":null}'
expect 0 stream read order-3 --direction backward --limit 1 --store $s
out_has '"version":3'
expect 0 stream read order-3 --until-version 1 --store $s
out_lines 1
expect 0 stream read order-3 --at 2020-01-01T00:00:00Z --store $s -o json
out_is '{"stream":"order-3","version":3,"events":[],"next":null}'
expect 0 stream read order-4 --at 2026-06-01T00:00:00Z --clock occurred --store $s
out_lines 1
expect 3 stream read order-99 --store $s

# The whole log, its filters and its pages.
expect 0 log read --store $s
out_lines 6
expect 0 log read --type Kept --type Full --store $s
out_lines 4
expect 0 log read --category nothing --store $s -o json
incarnation=$("$varve" store info --store $s -o json | sed 's/.*"incarnation":"\([^"]*\)".*/\1/')
out_is '{"events":[],"last_position":6,"next":null,"incarnation":"'"$incarnation"'"}'
expect 0 log read --after 2 --limit 2 --store $s -o json
out_has '],"last_position":4,"next":4,"incarnation":"'"$incarnation"'"}'
expect 0 log read --after 4 --limit 2 --store $s -o json
out_has '],"last_position":6,"next":null,"incarnation":"'
expect 0 log read --follow --limit 6 --store $s
out_lines 6

# Several streams at once.
echo '{"events":[{"stream":"a-1","type":"X","data":{}},{"stream":"b-1","type":"Y"}],
       "conditions":[{"stream":"a-1","expected_version":"none"}]}' >in
expect 0 append - --store $s -o json
out_is '{"first_position":7,"last_position":8,"streams":{"a-1":1,"b-1":1}}'
expect 4 append - --store $s
cp in append.json
: >in
expect 4 append append.json --store $s
expect 3 append nothing.json --store $s

expect 0 stream list --store $s -o json
out_has '{"streams":[{"stream":"a-1","version":1},{"stream":"b-1","version":1},{"stream":"order-1","version":2},'
out_has '{"stream":"order-3","version":3},{"stream":"order-4","version":1}],"next":null}'
expect 0 stream list --category order --after order-1 --limit 1 --store $s -o json
out_is '{"streams":[{"stream":"order-3","version":3}],"next":"order-3"}'

# Tables are for people: a heading, aligned columns, nothing that could disturb a terminal.
expect 0 stream append esc-1 --type Escaped --data '{"t":"'"$(printf '\302\233')"'31m"}' --store $s
expect 0 stream read esc-1 --store $s -o table
out_has 'version  type     position  recorded_at'
out_has '\x9b31m'
expect 0 stream list --limit 1 --store $s -o table
[ "$(head -1 out)" = 'stream  version' ] || fail "no heading"
err_has 'more: --after "a-1"'

# The environment stands in for flags, and flags go before it.
(
    export VARVE_STORE=$s
    expect 0 stream read order-1 -o ndjson
    out_lines 2
    VARVE_OUTPUT=json
    export VARVE_OUTPUT
    expect 0 stream read order-4
    out_has '"next":null}'
    VARVE_SERVER=http://127.0.0.1:1
    export VARVE_SERVER
    expect 2 stream read order-1
    err_has 'both set'
    VARVE_STORE=$(store nothing)
    expect 0 stream read order-1 --store $s
)

# Looking at the store, and making one; what is there already stays.
expect 0 store init --store "$(store made)" -o json
out_has '"last_position":0,"stream_count":0'
made=$(sed 's/.*"incarnation":"\([^"]*\)".*/\1/' out)
expect 0 store init --store "$(store made)" -o json
out_has "$made"
expect 0 store info --store $s -o json
out_has "\"driver\":\"${VARVE_TEST_STORE:-sqlite}\""
out_has '"last_position":9,"stream_count":6'
expect 0 store verify --store $s -o json
out_is '{"ok":true,"events":9,"last_position":9,"problems":[]}'
expect 0 doctor --store $s -o json
out_has '{"ok":true,"checks":['
