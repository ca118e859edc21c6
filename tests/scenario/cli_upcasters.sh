#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An application whose events changed over the years: what aggregates, read models and subscribers see of them, by the
# command line and through a server; the log as it was; and what happens when the upcasters change.
set -eu
. "$(dirname "$0")/cli_steps.sh"
store=$(store t)
app=app
mkdir -p app/aggregates app/projections app/queries app/upcasters

cat >app/aggregates/purse.lua <<'LUA'
return {
  category = "purse", snapshot_every = 2,
  initial = function() return { cents = 0 } end,
  decide = {
    Receive = function(state, command)
      return { type = "Received", schema_version = 2, data = { cents = command.data.cents } }
    end,
  },
  evolve = {
    Received = function(state, event) state.cents = state.cents + event.data.cents; return state end,
    Spent = function(state, event) state.cents = state.cents - event.data.cents; return state end,
  },
}
LUA
cat >app/projections/sums.sql <<'SQL'
-- @projection sums
-- @version 1
-- @create
CREATE TABLE sums (stream TEXT PRIMARY KEY, total BIGINT NOT NULL);
-- @on Received
INSERT INTO sums VALUES (:stream, :data.cents)
ON CONFLICT (stream) DO UPDATE SET total = sums.total + excluded.total;
SQL
cat >app/queries/sums.sql <<'SQL'
-- @query sums
-- @reads sums
SELECT total FROM sums.sums
SQL
# v1 in euro → v1 of the new name → v2 in cents; a transfer is two; a note is nothing.
cat >app/upcasters/paid.lua <<'LUA'
return { type = "Paid", into = { type = "Received" },
         upcast = function(event) return { data = event.data } end }
LUA
cat >app/upcasters/received.lua <<'LUA'
return { type = "Received",
         upcast = function(event) return { data = { cents = event.data.euro * 100 } } end }
LUA
cat >app/upcasters/moved.lua <<'LUA'
return {
  type = "Moved", into = { type = "Spent" },
  upcast = function(event)
    return { { data = { cents = event.data.cents } }, { data = { cents = event.data.fee } } }
  end,
}
LUA
cat >app/upcasters/noted.lua <<'LUA'
return { type = "Noted", upcast = function(event) return nil end }
LUA

cat >in <<'JSON'
{"events":[{"stream":"purse-1","type":"Paid","data":{"euro":3}},
           {"stream":"purse-1","type":"Noted"},
           {"stream":"purse-1","type":"Moved","data":{"cents":20,"fee":1}}]}
JSON
expect 0 append - --store "$store"
: >in
expect 0 aggregate show purse-1 --store "$store" --app app -o json
out_is '{"stream":"purse-1","version":3,"state":{"cents":279},"snapshot_version":0,"events_replayed":3}'
expect 0 aggregate history purse-1 --store "$store" --app app -o json
out_has '"version":2,"position":2,"type":"Noted"'
out_has '"version":3,"position":3,"type":"Moved"'
out_has '[{"op":"replace","path":"/cents","value":279}]'
expect 0 command send Receive purse-1 --data '{"cents":21}' --store "$store" --app app -o json
out_has '"schema_version":2'
expect 0 aggregate show purse-1 --store "$store" --app app -o json
out_has '"state":{"cents":300}'

serve app --store "$store"

# ask METHOD PATH [BODY]: what the server answers, in `out`.
ask()
{
    last="$*"
    python3 - "$url" "$@" >out 2>err <<'PYTHON' || fail "no answer"
import sys, urllib.error, urllib.request
body = sys.argv[4].encode() if len(sys.argv) > 4 else None
request = urllib.request.Request(sys.argv[1] + sys.argv[3], body, {"Content-Type": "application/json"} if body else {},
                                 method=sys.argv[2])
try:
    print(urllib.request.urlopen(request, timeout=60).read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
PYTHON
}

# The events in `out`: position, type and data of each.
events()
{
    python3 - <<'PYTHON' >seen || fail "not events"
import json
for event in json.load(open("out"))["events"]:
    print(event["position"], event.get("type", "-"), json.dumps(event.get("data"), separators=(",", ":")))
PYTHON
}

seen_is()
{
    [ "$(cat seen)" = "$1" ] || { cat seen >&2; fail "not seen: $1"; }
}

ask GET /log
events
seen_is '1 Paid {"euro":3}
2 Noted {}
3 Moved {"cents":20,"fee":1}
4 Received {"cents":21}'
ask GET '/log?shapes=current'
events
seen_is '1 Received {"cents":300}
3 Spent {"cents":20}
3 Spent {"cents":1}
4 Received {"cents":21}'
ask GET '/log?shapes=current&types=Received&limit=2'
events
seen_is '1 Received {"cents":300}
4 Received {"cents":21}'
# The limit counts events of the log, so that a page never ends within one.
ask GET '/log?shapes=current&after=1&limit=2'
events
seen_is '3 Spent {"cents":20}
3 Spent {"cents":1}'
out_has '"last_position":3,"next":3,'
ask GET '/streams/purse-1?shapes=current&from=3'
events
seen_is '3 Spent {"cents":20}
3 Spent {"cents":1}
4 Received {"cents":21}'
ask GET '/log?shapes=new'
out_has "400 "
out_has "'shapes' is stored or current"

# The command line asks for the same, here and below without a server.
command_line()
{
    expect 0 log read "$@" --shapes current -o json
    events
    seen_is '1 Received {"cents":300}
3 Spent {"cents":20}
3 Spent {"cents":1}
4 Received {"cents":21}'
    expect 0 log read "$@" --shapes current --type Received --limit 1 -o json
    events
    seen_is '1 Received {"cents":300}'
    expect 0 stream read purse-1 "$@" --shapes current --from 3 --limit 1 -o json
    events
    seen_is '3 Spent {"cents":20}
3 Spent {"cents":1}'
    out_has '"next":4'
    expect 0 stream read purse-1 "$@" --shapes stored --limit 1 -o json
    events
    seen_is '1 Paid {"euro":3}'
    expect 2 log read "$@" --shapes new
    grep -qF "takes stored or current, not 'new'" err || fail "the error does not say what --shapes takes"
}
command_line --server "$url"

# A live stream: a client that comes back with the last id it saw never misses the rest of an event.
python3 - "$url" >out 2>err <<'PYTHON' || fail "no event stream"
import sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/log?shapes=current", headers={"Accept": "text/event-stream"})
with urllib.request.urlopen(request, timeout=60) as stream:
    for line in stream:
        text = line.decode().rstrip("\n")
        if text == "event: caught_up":
            break
        if text.startswith("id: "):
            print(text)
        elif text.startswith("data: "):
            print(text.split('"type":')[1].split(",")[0])
PYTHON
out_is 'id: 1
"Received"
"Spent"
id: 3
"Spent"
id: 4
"Received"
id: 4'

# A durable subscription: what is dropped is to be acknowledged like the rest.
ask POST /subscriptions/mail '{}'
ask POST /subscriptions/mail/read '{"consumer":"c","shapes":"current"}'
events
seen_is '1 Received {"cents":300}
2 - null
3 Spent {"cents":20}
3 Spent {"cents":1}
4 Received {"cents":21}'
out_has '"stream":"purse-1","version":2,'
out_has '"dropped":true,"attempt":1}'
out_has '"position":0,"lease_until":"'
ask POST /subscriptions/mail/ack '{"consumer":"c","positions":[1,2,3,4]}'
out_has '"outcome":"acknowledged"'
ask GET '/queries/sums?after_position=4'
out_has '"rows":[{"total":321}]'
stop

command_line --store "$store" --app app
expect 2 log read --store "$store" --shapes current
grep -qF -- "--app DIR" err || fail "the error does not say what is missing"

# Another upcaster: snapshots and read models of the old one are made anew, nothing in the log changes.
sed -i 's/\* 100/* 200/' app/upcasters/received.lua
serve app --store "$store"
ask GET /aggregates/purse-1
out_has '"state":{"cents":600},"snapshot_version":0'
n=0
until ask GET '/queries/sums?after_position=4' && grep -qF '"rows":[{"total":621}]' out; do
    n=$((n + 1))
    [ "$n" -lt 2000 ] || fail "the read model was not built anew"
done
ask GET /log
events
seen_is '1 Paid {"euro":3}
2 Noted {}
3 Moved {"cents":20,"fee":1}
4 Received {"cents":21}'
stop

# One that fails names itself and the event.
sed -i 's/event.data.euro/event.data.franc/' app/upcasters/received.lua
expect 1 aggregate show purse-1 --store "$store" --app app
err_has 'Paid, version 1, position 1, on purse-1: upcaster of Received, schema version 1: upcasters/received.lua:2: '
# A circle is refused before anything runs.
cat >app/upcasters/back.lua <<'LUA'
return { type = "Received", schema_version = 2, into = { type = "Paid" },
         upcast = function(event) return {} end }
LUA
expect 2 aggregate show purse-1 --store "$store" --app app
err_has 'upcasters/received.lua:1: the upcaster of Received, schema version 1, leads back to it'
