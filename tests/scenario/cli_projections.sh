#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an operator does with projections: parked events, one that stopped, rebuilds and checks, on a store that nobody
# serves and through a server, with the same output.
set -eu
. "$(dirname "$0")/cli_steps.sh"

mkdir -p shop/projections shop/queries
cat >shop/projections/sales.sql <<'SQL'
-- @projection sales
-- @version 1
-- @on_error park
-- @create
CREATE TABLE sales (sku TEXT PRIMARY KEY, amount BIGINT NOT NULL);
-- @on Sold
INSERT INTO sales VALUES (:data.sku, :data.amount)
    ON CONFLICT (sku) DO UPDATE SET amount = sales.amount + excluded.amount;
SQL
cat >shop/projections/strict.sql <<'SQL'
-- @projection strict
-- @version 1
-- @create
CREATE TABLE strict (sku TEXT PRIMARY KEY, amount BIGINT NOT NULL);
-- @on Sold
INSERT INTO strict VALUES (:data.sku, :data.amount)
    ON CONFLICT (sku) DO UPDATE SET amount = strict.amount + excluded.amount;
SQL
cat >shop/queries/sales.sql <<'SQL'
-- @query sales
-- @reads sales
SELECT sku, amount FROM sales.sales ORDER BY sku
SQL
cat >shop/queries/endless.sql <<'SQL'
-- @query endless
-- @reads sales
WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n % 7 + 1 FROM x) SELECT count(*) AS n FROM x
SQL


# live PLACE…: the place is `--store URI --app DIR`, or `--server URL`.
live()
{
    for data in '{"sku":"tea","amount":3}' '{"sku":"cup","amount":null}' '{"sku":"tea","amount":4}'; do
        expect 0 stream append sale-1 --type Sold --data "$data" "$@"
    done
    expect 0 query sales --after-position 3 -o json "$@"
    out_is '{"rows":[{"sku":"tea","amount":7}],"position":3,"next":null}'

    expect 0 projection parked sales -o json "$@"
    out_has '{"parked":[{"position":2,"id":"'
    out_has '"type":"Sold","stream":"sale-1","version":2,"attempts":1,"error":"'
    out_has ',"next":null}'
    expect 0 projection parked sales -o table "$@"
    out_has 'sale-1'
    expect 0 projection parked sales --after 2 -o ndjson "$@"
    out_is ''
    expect 2 projection parked sales --limit 0 "$@"
    expect 3 projection parked nobody "$@"
    expect 1 projection retry sales 2 "$@"
    err_has 'position 2, Sold of sale-1'
    expect 0 projection parked sales -o json "$@"
    out_has '"attempts":2'
    expect 0 projection status sales -o json "$@"
    out_has '"parked":1,"rebuild":null'
    expect 3 projection retry sales 3 "$@"
    err_has 'position 3 is not parked'
    expect 2 projection retry sales x "$@"
    expect 2 projection skip sales "$@"
    expect 0 projection skip sales 2 --actor ann --reason 'a cup that never was' -o json "$@"
    out_has '"parked":0,"rebuild":null'
    expect 3 projection skip sales 2 "$@"

    expect 0 projection rebuild sales --wait -o json "$@"
    out_has '"parked":1,"rebuild":null'
    expect 0 query sales -o json "$@"
    out_has '[{"sku":"tea","amount":7}]'
}

# stopped PLACE…: `strict` stands at position 2, says so, and goes on behind it.
stopped()
{
    expect 1 projection retry strict "$@"
    err_has 'position 2, Sold of sale-1'
    expect 3 projection skip strict 3 "$@"
    expect 0 projection skip strict 2 -o json "$@"
    out_has '"name":"strict"'
    expect 0 projection status strict -o json "$@"
    expect 1 projection rebuild strict --wait "$@"
    err_has 'the rebuild failed: position 2'
    expect 2 projection rebuild "$@"
    expect 2 projection rebuild sales --all "$@"
    expect 1 projection rebuild --all --wait -o json "$@"
    out_has '{"projections":[{"name":"sales"'
    err_has 'strict: the rebuild failed'
    expect 3 projection rebuild nobody "$@"
}

# late PLACE…: a query that has no end is asked once, and a model that will not get there is named.
late()
{
    began=$(date +%s)
    expect 5 query endless "$@"
    err_has 'query endless ran longer than 10000 ms'
    took=$(($(date +%s) - began))
    expect 5 query sales --after-position 1000000 "$@"
    err_has 'projection sales is live at position 3, before 1000000'
}

# check PLACE…: beside whoever runs the models; the place is a store.
check()
{
    expect 0 projection check sales -o json "$@"
    out_has '{"differences":[],"name":"sales","position":3,"tables":1,"rows_compared":1,'
    out_has '"parked":{"live":1,"fresh":1}}'
    expect 0 projection check sales -o ndjson "$@"
    out_is ''
    err_has '1 rows of 1 tables compared, 0 differ, 0 missing, 0 extra'
    expect 1 projection check strict "$@"
    err_has 'position 2, Sold of sale-1'
    expect 3 projection check nobody "$@"
}

place="--store $(store here) --app shop"
live $place
stopped $place
late $place
took_here=$took
check $place

# Changed behind its back: seven sold is no longer what the log says.
spoil()
{
    if in_a_file; then
        python3 - "$1.db.models/sales.db" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as model:
    model.execute("UPDATE sales SET amount = 8")
PYTHON
    else
        psql -qX "$(cat "$VARVE_TEST_POSTGRES/uri")" <<SQL
DO \$do\$ BEGIN
    EXECUTE (SELECT format('UPDATE %I.sales SET amount = 8', nspname)
             FROM pg_namespace WHERE starts_with(nspname, 'cli_$$_$1\$sales\$'));
END \$do\$
SQL
    fi
}
spoil here
expect 7 projection check sales -o json $place
out_has '{"differences":[{"table":"sales","kind":"differs",'
out_has '"live":{"sku":"tea","amount":8},"fresh":{"sku":"tea","amount":7}}]'
out_has '"differing":1,"missing":0,"extra":0'
err_has 'varve projection rebuild'
expect 7 projection check sales -o table $place
out_has '{"sku":"tea","amount":8}'

serve shop --store "$(store there)" --rebuilds 1
live --server "$url"
expect 0 projection list -o table --server "$url"
err_has 'strict stopped at position 2'
err_has 'varve projection skip strict 2'
stopped --server "$url"
late --server "$url"
[ "$took_here" -lt $((took * 5)) ] || fail 'a query that has no end was asked again and again'
check --store "$(store there)" --app shop
check --server "$url"
spoil there
expect 7 projection check sales -o json --server "$url"
cp out remote
expect 7 projection check sales -o json --store "$(store there)" --app shop
cmp -s out remote || fail "a server answers differently"
expect 5 projection retry sales 2 --store "$(store there)" --app shop
curl -s "$url/metrics" >out
out_has 'varve_projection_parked_events{projection="sales"} 1'
out_has 'varve_projection_failures_total{projection="strict"}'
out_has 'varve_projection_rebuilding{projection="sales"} 0'
grep -q 'varve_projection_events_total{projection="sales"} [1-9]' out || fail 'no events were counted'
# post STATUS PATH BODY
post()
{
    status=$(curl -s -o out -w '%{http_code}' -H 'Content-Type: application/json' -d "$3" "$url$2")
    [ "$status" = "$1" ] || fail "POST $2 answers $status"
}
post 400 /projections/sales/retry '{"position":0}'
post 412 /projections/sales/retry '{}'
post 400 /projections/sales/skip '{}'
out_has "'position' says which event"
post 404 /projections/sales/skip '{"position":3,"actor":"ann"}'
post 400 /projections/sales/check '{"x":1}'
post 404 /projections/nobody/check '{}'
stop
expect 2 serve shop --store "$(store there)" --rebuilds 65
