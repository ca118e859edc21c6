#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An application with schemas for its events: what does not fit is refused at every door, and nothing is written.
set -eu
. "$(dirname "$0")/cli_steps.sh"
store=$(store t)
mkdir -p app/aggregates app/schemas

cat >app/aggregates/order.lua <<'LUA'
return {
  category = "order",
  decide = {
    Place = function(state, command) return { type = "Placed", data = command.data } end,
  },
  evolve = { Placed = function(state, event) return state end },
}
LUA
cat >app/schemas/Placed.json <<'JSON'
{ "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["customer_id", "items"], "additionalProperties": false,
  "properties": { "customer_id": { "type": "string", "pattern": "^c-[0-9]+$" },
                  "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/item" } } },
  "$defs": { "item": { "type": "object", "properties": { "qty": { "type": "integer", "minimum": 1 } } } } }
JSON
echo '{ "type": "object", "required": ["total"] }' >app/schemas/Placed.v2.json

good='{"customer_id":"c-1","items":[{"qty":1}]}'
bad='{"customer_id":"c-1","items":[{"qty":1},{"qty":0}]}'
problem="/items/1/qty: 'minimum': 0 is less than 1 (schemas/Placed.json#/\$defs/item/properties/qty)"

# A decider that gives what does not fit is at fault itself, and where is said.
expect 0 command send Place order-1 --data "$good" --store "$store" --app app
expect 1 command send Place order-1 --data "$bad" --store "$store" --app app
err_has "aggregates/order.lua:4: decide.Place: refused: Placed: $problem"

# An append with the application.
expect 2 stream append order-1 --type Placed --data "$bad" --store "$store" --app app
err_has "Placed: $problem"
expect 0 stream append order-1 --type Placed --data "$good" --store "$store" --app app
echo '{"events":[{"stream":"order-1","type":"Other"},{"stream":"order-1","type":"Placed","data":'"$bad"'}]}' >in
expect 2 append - --store "$store" --app app
err_has "events[1]: Placed: $problem"
echo '{"events":[{"stream":"order-1","type":"Placed","data":{"total":1},"schema_version":2}]}' >in
expect 0 append - --store "$store" --app app
echo '{"events":[{"stream":"order-1","type":"Placed","data":{},"schema_version":2}]}' >in
expect 2 append - --store "$store" --app app
err_has "Placed: the data: 'required': 'total' is missing (schemas/Placed.v2.json)"
echo '{"events":[{"stream":"order-1","type":"Placed","data":{},"schema_version":3}]}' >in
expect 2 append - --store "$store" --app app
err_has "Placed has schemas, but none for schema version 3"
echo '{"events":[{"stream":"order-1","type":"Placed","data_base64":"AA==","content_type":"image/png"}]}' >in
expect 2 append - --store "$store" --app app
err_has "Placed has a schema, so its data must be JSON"
: >in

# Through a server.
serve app --store "$store"
expect 2 stream append order-1 --type Placed --data "$bad" --server "$url"
err_has "Placed: $problem"
expect 0 stream append order-1 --type Placed --data "$good" --server "$url"
expect 1 command send Place order-1 --data "$bad" --server "$url"
err_has "Placed: $problem"
python3 - "$url" "$bad" >out 2>err <<'PYTHON' || fail "no answer"
import json, sys, urllib.error, urllib.request
body = json.dumps({"events": [{"type": "Placed", "data": json.loads(sys.argv[2])}]}).encode()
request = urllib.request.Request(sys.argv[1] + "/streams/order-1", body, {"Content-Type": "application/json"})
try:
    urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    problem = json.loads(error.read())
    print(error.code, problem["type"], problem["detail"])
PYTHON
out_is "422 urn:varve:problem:schema-mismatch Placed: $problem"
stop

# What is in the log was appended whole or not at all; without the application nobody looks.
expect 0 log read --store "$store" -o ndjson
out_lines 4
expect 0 stream append order-1 --type Placed --data "$bad" --store "$store"

# A schema that is wrong, or goes beyond what is supported, is refused before anything runs.
echo '{ "properties": { "at": { "format": "date-time" } } }' >app/schemas/Paid.json
expect 2 command send Place order-1 --data "$good" --store "$store" --app app
err_has "schemas/Paid.json#/properties/at/format: the keyword 'format' is not supported"
echo '{ "type": "objekt" }' >app/schemas/Paid.json
expect 2 command send Place order-1 --data "$good" --store "$store" --app app
err_has "schemas/Paid.json#/type: must be a type"
mv app/schemas/Paid.json app/schemas/Paid.v0.json
expect 2 command send Place order-1 --data "$good" --store "$store" --app app
err_has "schemas/Paid.v0.json: a schema version is a number from 1"
