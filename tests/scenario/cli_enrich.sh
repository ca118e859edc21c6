#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A decision that needs to know what is in stock, from a query and over HTTP: on a store and through a server alike.
set -eu
. "$(dirname "$0")/cli_steps.sh"
mkdir -p shop/aggregates shop/projections shop/queries
cat >shop/projections/stock.sql <<'SQL'
-- @projection stock
-- @version 1
-- @create
CREATE TABLE stock (sku TEXT PRIMARY KEY, qty INTEGER NOT NULL);
-- @on Received
INSERT INTO stock VALUES (:data.sku, :data.qty)
ON CONFLICT (sku) DO UPDATE SET qty = stock.qty + excluded.qty;
SQL
cat >shop/queries/stock.sql <<'SQL'
-- @query stock
-- @reads stock
-- @param sku text
SELECT sku, qty FROM stock.stock WHERE sku = :sku
SQL
cat >shop/aggregates/warehouse.lua <<'LUA'
return {
  category = "warehouse",
  decide = { Receive = function(state, command) return { type = "Received", data = command.data } end },
  evolve = {},
}
LUA
cat >shop/aggregates/order.lua <<'LUA'
local kept
return {
  category = "order",
  record_context = true,
  enrich_timeout_ms = 4000,
  enrich = {
    PlaceOrder = function(command, ask)
      local seen = command.data.after
      local rows = ask.query("stock", { sku = command.data.sku }, seen and { after_position = seen } or nil).rows
      return { in_stock = rows[1] and rows[1].qty or 0 }
    end,
    Ask = function(command, ask)
      kept = ask
      local answer = ask.http({ url = command.data.url, headers = { Accept = "application/json" }, retries = 0 })
      return { status = answer.status, ready = answer.json and answer.json.status or null }
    end,
    Forgive = function(command, ask)
      local done, problem = pcall(ask.http, command.data.url)
      return { done = done }
    end,
    Mistake = function(command, ask) return ask.query("nothing") end,
    Misuse = function(command, ask) return ask.query("stock", { sku = {} }) end,
    Strange = function(command, ask) return ask.query end,
    Nothing = function(command, ask) end,
  },
  decide = {
    PlaceOrder = function(state, command)
      if command.context.in_stock < command.data.qty then
        return reject("out_of_stock", "only " .. command.context.in_stock)
      end
      return { type = "OrderPlaced", data = { sku = command.data.sku, qty = command.data.qty } }
    end,
    Ask = function(state, command)
      return { type = "Asked", data = { status = command.context.status, ready = command.context.ready } }
    end,
    Forgive = function(state, command) return { type = "Forgave", data = command.context } end,
    Mistake = function() return {} end,
    Misuse = function() return {} end,
    Strange = function() return {} end,
    Nothing = function(state, command) return { type = "Saw", data = { context = type(command.context) } } end,
    Plain = function(state, command)
      return { type = "Saw", data = { context = type(command.context), kept = type(kept) } }
    end,
  },
  evolve = {},
}
LUA

steps()
{
    expect 0 command send Receive warehouse-1 --data '{"sku":"tea","qty":5}' $with -o json
    position=$(sed 's/.*"last_position":\([0-9]*\).*/\1/' out)
    order="{\"sku\":\"tea\",\"qty\":5,\"after\":$position}"
    expect 0 command send PlaceOrder order-1 --data "$order" $with -o json
    out_has '"context":{"in_stock":5}'
    out_has '"type":"OrderPlaced"'
    expect 9 command send PlaceOrder order-1 --data '{"sku":"milk","qty":1}' $with -o json
    out_is '{"code":"out_of_stock","message":"only 0"}'

    # Whatever needs no context has none, and what was kept of an enrichment is not seen by a decision.
    expect 0 command send Nothing order-2 $with -o json
    out_has '"data":{"context":"nil"}'
    expect 0 command send Plain order-2 $with -o json
    out_has '"data":{"context":"nil","kept":"nil"}'

    # Failures: the command's own, and nothing is written.
    expect 1 command send Mistake order-3 $with
    err_has 'enrich of Mistake on order-3: aggregates/order.lua:'
    err_has 'query nothing'
    expect 1 command send Misuse order-3 $with
    err_has 'params must be a text'
    expect 1 command send Strange order-3 $with
    err_has 'the context cannot be written'
    expect 5 command send PlaceOrder order-3 --data '{"sku":"tea","qty":1,"after":1000000}' $with
    err_has 'enrich of PlaceOrder on order-3'
    expect 3 stream read order-3 $where
}

http_steps()
{
    expect 0 command send Ask order-4 --data "{\"url\":\"$1/health/ready\"}" $with $2 -o json
    out_has '"type":"Asked","data":{"ready":"'
    expect 0 command send Ask order-4 --data "{\"url\":\"$1/nothing\"}" $with $2 -o json
    out_has '"data":{"ready":404,"status":404}'
    expect 5 command send Ask order-5 --data '{"url":"http://127.0.0.1:1/"}' $with $2
    err_has 'enrich of Ask on order-5'
    expect 0 command send Forgive order-5 --data '{"url":"http://127.0.0.1:1/"}' $with $2 -o json
    out_has '"data":{"done":false}'
    expect 1 command send Ask order-5 --data '{"url":"file:///etc/passwd"}' $with $2
}

cat >shop/aggregates/slow.lua <<'LUA'
return {
  category = "slow",
  enrich_timeout_ms = 60000,
  enrich = {
    Wait = function(command, ask) return ask.query("stock", { sku = "tea" }, { after_position = 1000000 }) end,
  },
  decide = { Wait = function() return {} end },
  evolve = {},
}
LUA

# A server that is to end does not work off what waits to be enriched: it refuses it, and asks nobody any longer.
stop_in_between()
{
    began=$(date +%s)
    for i in 1 2 3 4 5 6; do
        curl -s -o "slow.$i" -w '%{http_code}\n' -H 'Content-Type: application/json' \
            -d '{"stream":"slow-1"}' "$url/commands/Wait" >"code.$i" &
        waiting="${waiting-} $!"
    done
    until curl -sf "$url/metrics" | grep -qx 'varve_enrichment_queue_length 6'; do :; done
    stop
    wait $waiting
    [ $(($(date +%s) - began)) -lt 30 ] || fail "a server that waits for an enrichment does not end"
    [ "$(sort code.? | uniq -c | tr -s ' ')" = " 1 502
 5 503" ] || fail "what waited is answered with $(cat code.?)"
}

here="--store $(store local)"
where=$here with="$here --app shop"
steps
# Without leave nobody goes to this machine; a server of ours is what is asked.
expect 5 command send Ask order-4 --data '{"url":"http://localhost:1/"}' $with
err_has '--allow-private-addresses'
serve shop --store "$(store served)" --allow-private-addresses
http_steps "$url" --allow-private-addresses

where="--server $url" with="--server $url"
steps
http_steps "$url" ''
expect 2 command send Plain order-9 $with --allow-private-addresses
curl -sf "$url/metrics" >out
out_has 'varve_enrichments_total{result="done"}'
out_has 'varve_enrichments_total{result="failed"} '
out_has 'varve_enrichment_queue_length 0'
code=$(curl -s -o out -w '%{http_code}' -H 'Content-Type: application/json' \
    -d '{"stream":"order-8","data":{"url":"http://127.0.0.1:1/"}}' "$url/commands/Ask")
[ "$code" -eq 502 ] || fail "a failed enrichment is HTTP $code"
out_has 'urn:varve:problem:enrichment-failed'
stop_in_between
