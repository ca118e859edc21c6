#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `varve test`: the examples of an application, and every way in which they and their files can be wrong.
set -eu
. "$(dirname "$0")/cli_steps.sh"

expect 0 test "$app"
out_has "$app/specs/order.yaml"
out_has '  ok      an order is placed with its total'
tail -1 out | grep -q '^48 passed, 0 failed$' || fail "no summary"
[ ! -s err ] || fail "something on standard error"
[ "$(ls)" = "$(printf 'err\nin\nout')" ] || fail "something was left behind"

expect 0 test "$app" --filter 'shipped once'
out_has '1 passed, 0 failed'
expect 2 test "$app" --filter 'flown'
err_has "no example's name has 'flown' in it"

# The page about specs shows what happens.
page=$app/../../docs/specs.md
awk '/^```yaml$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page" >first.yaml
awk '/^```console$/ { inside++; next } /^```$/ { if (inside) exit } inside && !/^\$/' "$page" >shown
expect 1 test "$app" first.yaml
cat out err | cmp -s - shown || fail "docs/specs.md shows something else"

# Examples that fail, each in its way, and one that does not.
cat >wrong.yaml <<'END'
stream: order-7
examples:
  - name: another amount
    given: &placed
      - OrderPlaced: { customer_id: c-1, items: [{ sku: tea, qty: 2, price: 450 }], total_amount: 900 }
    when: CancelOrder
    then: [{ OrderCancelled: { reason: none } }]
  - name: rejected instead
    when: ShipOrder
    then: [OrderShipped]
  - name: accepted instead
    given: *placed
    when: ShipOrder
    then: { rejected: order_not_placed }
  - name: another reason
    when: ShipOrder
    then: { rejected: { code: order_not_placed, message: no } }
  - name: one event too many
    given: *placed
    when: ShipOrder
    then: []
  - name: another state
    given: *placed
    then: { state_has: { status: SHIPPED, items: [{ qty: 2 }], total_amount: 900.0 } }
  - name: nobody knows the command
    when: FlyOrder
    then: []
  - name: the aggregate fails
    given:
      - OrderPlaced: 5
    then: { state_has: { status: PLACED } }
  - name: all is well
    given: *placed
    when: ShipOrder
    then: [OrderShipped]
END
expect 1 test "$app" wrong.yaml
err_has 'varve: 8 of 9 examples failed'
tail -1 out | grep -q '^1 passed, 8 failed$' || fail "no summary"
sed 's/^          /: /; /aggregates\/order.lua/d' out >told
cat >wanted <<'END'
wrong.yaml
  FAILED  another amount
: wrong.yaml:3:5
: events[0].data.reason
:   expected  "none"
:   got       null
  FAILED  rejected instead
: wrong.yaml:8:5
: then
:   expected  {"events":[{"OrderShipped":{}}]}
:   got       {"rejected":{"code":"order_not_placed","message":"status is PENDING"}}
  FAILED  accepted instead
: wrong.yaml:11:5
: then
:   expected  {"rejected":{"code":"order_not_placed"}}
:   got       {"events":[{"OrderShipped":{}}]}
  FAILED  another reason
: wrong.yaml:15:5
: rejected.message
:   expected  "no"
:   got       "status is PENDING"
  FAILED  one event too many
: wrong.yaml:18:5
: events[0]
:   expected  (nothing)
:   got       {"OrderShipped":{}}
  FAILED  another state
: wrong.yaml:22:5
: state.status
:   expected  "SHIPPED"
:   got       "PLACED"
: state.total_amount
:   expected  900.0
:   got       900
  FAILED  nobody knows the command
: wrong.yaml:25:5
: when: 'order' has no command 'FlyOrder'
  FAILED  the aggregate fails
: wrong.yaml:28:5
  ok      all is well

1 passed, 8 failed
END
cmp -s told wanted || { diff wanted told >&2 || true; fail "another report"; }
out_has 'given[0] in line 30: evolve of OrderPlaced, version 1 on order-7: aggregates/order.lua:'

# The same for programs.
expect 1 test "$app" wrong.yaml --filter 'another amount' -o json
differences='[{"path":"events[0].data.reason","expected":"none","got":null}],"more_differences":0}'
out_has '{"examples":[{"file":"wrong.yaml","line":3,"name":"another amount","result":"failed",'
out_has "$differences"'],"passed":0,"failed":1}'
expect 1 test "$app" wrong.yaml -o ndjson
out_lines 9
out_has '"result":"failed","problem":"when: '"'order' has no command 'FlyOrder'"'","differences":[]'
out_has '"differences":[{"path":"events[0]","got":{"OrderShipped":{}}}]'
VARVE_OUTPUT=ndjson expect 0 test "$app" wrong.yaml --filter 'all is well'
out_is '{"file":"wrong.yaml","line":32,"name":"all is well","result":"passed","differences":[],"more_differences":0}'
! grep -q "$(printf '\033')" out || fail "colours in a file"

# A file that is none: nothing runs, whatever else is asked for.
refused()
{
    cat >broken.yaml
    expect 2 test "$app" wrong.yaml broken.yaml
    [ ! -s out ] || fail "something ran"
    err_has "varve: broken.yaml:$1"
}
refused '2:1: did not find expected' <<'END'
examples: [
END
refused "3:5: an example has no 'thn'" <<'END'
stream: order-7
examples:
  - thn: []
END
refused "5:11: 'status' stands twice" <<'END'
stream: order-7
examples:
  - name: twice
    then: { state: { status: 1,
          status: 2 } }
END
refused "4:50: 007 is a number" <<'END'
stream: order-7
examples:
  - name: agent
    when: { PlaceOrder: { customer_id: c-1, qty: 007 } }
    then: []
END
refused "3:5: the application has no aggregate of category 'parcel'" <<'END'
stream: parcel-1
examples:
  - name: nobody
    then: { state: {} }
END

# Files and folders that are not there, or are no applications.
expect 2 test "$app" missing.yaml
err_has 'cannot read missing.yaml: No such file or directory'
expect 2 test "$app" .
expect 2 test nowhere
expect 2 test
expect 2 test "$app" --store sqlite:t.db
err_has '--store does not apply to `test`'
mkdir -p mine/aggregates
expect 2 test mine
err_has 'mine: no aggregates'
echo "return { category = 'box', evolve = {}, decide = {" >mine/aggregates/box.lua
expect 2 test mine
err_has 'aggregates/box.lua:'
echo "return { category = 'box', evolve = {}, decide = {} }" >mine/aggregates/box.lua
expect 2 test mine
err_has 'mine/specs: No such file or directory'
mkdir mine/specs
expect 2 test mine
err_has 'mine/specs: there is no file with examples'
echo 'about them' >mine/specs/README.md
echo 'kept' >mine/specs/box.yaml~
: >mine/specs/box.yml
expect 2 test mine
err_has 'mine/specs/box.yml: no examples: in specs/ stand files NAME.yaml'
rm mine/specs/box.yml
cp mine/aggregates/box.lua mine/aggregates/box2.lua
expect 2 test mine
err_has "aggregates/box2.lua: the category 'box' has a decider already"
rm mine/aggregates/box2.lua

# A loop without end is an error of its example, as it is one of its command.
echo "return { category = 'box', evolve = {}, decide = { Spin = function() while true do end end } }" \
    >mine/aggregates/box.lua
cat >mine/specs/box.yaml <<'END'
examples:
  - { name: spins, stream: box-1, when: Spin, then: [] }
  - { name: rests, stream: box-1, then: { state: {} } }
END
expect 1 test mine
out_has 'when: Spin on box-1: aggregates/box.lua:1: '
out_has '  ok      rests'

# Events of older shapes are what the upcasters say, and what is decided fits its schema, as in an engine.
echo "return { category = 'box', initial = function() return { kg = 0 } end,
  evolve = { Filled = function(state, event) state.kg = state.kg + event.data.kg; return state end },
  decide = { Fill = function(_, command) return { type = 'Filled', data = command.data, schema_version = 2 } end } }" \
    >mine/aggregates/box.lua
mkdir mine/upcasters mine/schemas
echo "return { type = 'Filled', upcast = function(event) return { data = { kg = event.data.tons * 1000 } } end }" \
    >mine/upcasters/filled.lua
echo '{"type":"object"}' >mine/schemas/Filled.json
echo '{"type":"object","required":["kg"],"properties":{"kg":{"type":"number"}}}' >mine/schemas/Filled.v2.json
cat >mine/specs/box.yaml <<'END'
stream: box-1
examples:
  - { name: old tons, given: [{ Filled: { tons: 2 } }], when: { Fill: { kg: 1 } }, then: { state: { kg: 2001 } } }
  - { name: no kilograms, when: { Fill: { tons: 1 } }, then: [] }
END
expect 1 test mine
out_has '  ok      old tons'
out_has '  FAILED  no kilograms'
out_has 'kg'
# What enrich would have given is said; and a decider over a query is found by its command, and sees what it asks for.
cat >mine/aggregates/label.lua <<'END'
return {
  reads = function(command) return { types = { "Labelled" }, tags = { "label:" .. command.data.label } } end,
  initial = function() return { count = 0 } end,
  evolve = { Labelled = function(state) state.count = state.count + 1 return state end },
  enrich = { Label = function() return { most = 1 } end },
  decide = {
    Label = function(state, command)
      if state.count >= command.context.most then return reject("used", "label " .. command.data.label) end
      return { type = "Labelled", tags = { "label:" .. command.data.label } }
    end,
  },
}
END
cat >mine/specs/label.yaml <<'END'
stream: box-1
examples:
  - name: a label that is free
    given: [{ type: Labelled, stream: box-2, tags: ["label:a"] }, Filled: { kg: 1 }]
    when: { type: Label, data: { label: b }, context: { most: 1 } }
    then: [{ type: Labelled, tags: ["label:b"] }]
  - name: a label that another box has
    given: [{ type: Labelled, stream: box-2, tags: ["label:a"] }]
    when: { type: Label, data: { label: a }, context: { most: 1 } }
    then: { rejected: used, state: { count: 1 } }
END
rm mine/specs/box.yaml
expect 0 test mine
out_has '2 passed, 0 failed'
echo "return {" >mine/upcasters/filled.lua
expect 2 test mine
err_has 'upcasters/filled.lua:'
