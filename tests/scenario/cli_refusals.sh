#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is refused: wrong command lines, wrong input, wrong files. A clear line, the exit code, nothing written.
set -eu
. "$(dirname "$0")/cli_steps.sh"
s=sqlite:t.db

# Command lines.
expect 2
expect 2 fly
expect 2 stream
err_has 'append, read, list'
expect 2 stream fly
expect 2 stream read
expect 2 stream read a b --store $s
expect 2 stream read order-1 --colour red --store $s
err_has 'varve help'
expect 2 stream read order-1 --follow --store $s
err_has 'does not apply'
expect 2 stream read order-1 -x
expect 2 stream read order-1 --store
expect 2 stream read order-1 --store $s --store $s
expect 2 stream read order-1 --quiet=yes --store $s
expect 2 stream read order-1
err_has '--store'
expect 2 stream read order-1 --store $s --server http://127.0.0.1:1
expect 2 stream read order-1 --server ftp://127.0.0.1
expect 2 stream read order-1 --store $s -o yaml
expect 2 stream read order-1 --store $s --limit many
expect 2 stream read order-1 --store $s --from -1
expect 2 stream read order-1 --store $s --limit 99999999999999999999
expect 2 stream read order-1 --store $s --at yesterday
expect 2 stream read order-1 --store $s --direction up
expect 2 log read --follow -o json --store $s
expect 2 command send PlaceOrder order-1 --store $s
err_has '--app'
for words in 'new x' 'relay list' 'outbox init' 'slot list' 'inbox list' \
    'saga list' 'flow show 1' 'token list' 'config print' 'completion' 'projection pause x'; do
    # shellcheck disable=SC2086 # these are several words
    expect 2 $words
    err_has 'not built yet'
done

# Help and version succeed and say something.
for words in help 'help exit-codes' 'help stream' 'help stream append' 'stream append --help' 'command -h' version \
    --version; do
    # shellcheck disable=SC2086 # these are several words
    expect 0 $words
    [ -s out ] || fail "nothing printed"
done
expect 2 help fly
expect 2 help relay

# Input of an append. None of it may even create the store.
long=$(printf '%0256d' 0)
refuse()
{
    expect 2 stream append "$@" --store $s
}
refuse order-1
refuse order-1 --type X --type Y
refuse order-1 --type X --data '{"a":'
refuse order-1 --type X --data '{"a":1}{"b":2}'
refuse order-1 --type X --data '1},{"stream":"order-2","type":"Y","data":2'
refuse order-1 --type X --data "$(printf '"\377"')"
refuse order-1 --type X --data '"\u0000"'
refuse order-1 --type X --data '"\ud800"'
refuse order-1 --type X --data 9223372036854775808
refuse order-1 --type X --data 1e999
refuse order-1 --type X --data "$(printf '%0513d' 0 | tr 0 '[')$(printf '%0513d' 0 | tr 0 ']')"
refuse order-1 --type X --metadata '[1]'
refuse order-1 --type X --metadata '[1]' --actor ann
refuse order-1 --type X --metadata '{"actor":"bob"}' --actor ann
refuse order-1 --type X --expected-version soon
refuse order-1 --type X --expected-version -1
refuse order-1 --type X --id 1234
refuse order-1 --type X --occurred-at yesterday
expect 3 stream append order-1 --type X --data @nothing.json --store $s
for document in '' '[]' '{}' '{"events":[{"stream":"a-1","type":"X","colour":1}]}' '{"events":[],"colour":1}' \
    '{"events":[{"stream":"a-1","type":"X"}],"conditions":[{"stream":"a-1","expected_version":"soon"}]}'; do
    echo "$document" >in
    expect 2 append - --store $s
done
: >in
[ ! -e t.db ] || fail "refused input has created a store"

# Names and sizes are the store's to judge.
expect 0 stream append order-1 --type X --store $s
refuse '' --type X
refuse order-1 --type ''
refuse "$long" --type X
refuse order-1 --type "$long"
refuse "$(printf 'a\001b')" --type X
refuse "$(printf 'a\377b')" --type X
refuse order-1 --type X --tag ''
awk 'BEGIN { printf "\""; for (i = 0; i < 1048576; i++) printf "x"; printf "\"" }' >in
refuse order-1 --type X --data -
awk 'BEGIN {
    printf "{\"events\":["
    for (i = 0; i < 1001; i++) printf "%s{\"stream\":\"a-1\",\"type\":\"X\"}", i ? "," : ""
    print "]}"
}' >in
expect 2 append - --store $s
echo '{"events":[{"stream":"a-1","type":"X"}],"conditions":[{"fail_if_match":[{"types":["X"]}]}]}' >in
expect 2 append - --store $s
echo '{"events":[{"stream":"a-1","type":"X"}],"conditions":[{"fail_if_match":[],"after":0}]}' >in
expect 2 append - --store $s
: >in
expect 0 store verify --store $s -o json
out_is '{"ok":true,"events":1,"last_position":1,"problems":[]}'

# Stores that are none, or of another time.
echo 'this is a letter' >letter.db
expect 1 stream read order-1 --store sqlite:letter.db
expect 1 stream append order-1 --type X --store sqlite:letter.db
[ "$(cat letter.db)" = 'this is a letter' ] || fail "a file that is no store was changed"
expect 3 stream read order-1 --store sqlite:nothing.db
expect 2 stream read order-1 --store nothing.db
expect 5 stream read order-1 --store postgresql://127.0.0.1:1/x
cp t.db newer.db
printf '\000\000\003\347' | dd of=newer.db bs=1 seek=60 conv=notrunc 2>/dev/null
expect 1 stream read order-1 --store sqlite:newer.db
err_has '999'
expect 1 stream append order-1 --type X --store sqlite:newer.db
err_has '999'

# A store whose bytes have changed.
cp t.db torn.db
size=$(wc -c <torn.db)
dd if=/dev/zero of=torn.db bs=1 seek=$((size / 2)) count=$((size / 4)) conv=notrunc 2>/dev/null
code=0
"$varve" store verify --store sqlite:torn.db -o json >out 2>err || code=$?
last='store verify torn.db'
[ $code -eq 7 ] || fail "a damaged store is verified with exit code $code"

# Applications with mistakes: file and line, before the port opens.
folder()
{
    rm -rf app
    mkdir -p app/aggregates app/projections app/queries
}
folder
printf 'return {\n  category = "order",\n  evolve = = {}\n}\n' >app/aggregates/order.lua
expect 2 serve app --store sqlite:app.db --listen 127.0.0.1:0
err_has 'aggregates/order.lua:3:'
folder
cat >app/projections/p.sql <<SQL
-- @projection p
-- @version 1
-- @create
CREATE TABLE t (a INTEGER);
-- @on X
INSERT INTO t VALUE (1);
SQL
expect 2 serve app --store sqlite:app.db --listen 127.0.0.1:0
err_has 'projections/p.sql:6:'
folder
mkdir app/sagas
echo 'return {}' >app/sagas/s.lua
expect 2 serve app --store sqlite:app.db --listen 127.0.0.1:0
err_has 'sagas'
expect 3 serve nowhere --store sqlite:app.db --listen 127.0.0.1:0
expect 2 serve "$app" --store sqlite:app.db --listen 0.0.0.0:0
expect 2 serve "$app" --store sqlite:app.db --listen nonsense
expect 1 doctor --app app
err_has 'sagas'
folder
cat >app/aggregates/loop.lua <<'LUA'
return {
  category = "loop",
  decide = {
    Spin = function() while true do end end,
    Catch = function() while true do pcall(function() while true do end end) end end,
  },
  evolve = {},
}
LUA
expect 1 command send Spin loop-1 --store sqlite:app.db --app app
err_has 'aggregates/loop.lua:4'
expect 1 command send Catch loop-1 --store sqlite:app.db --app app
expect 0 log read --store sqlite:app.db
out_is ''
