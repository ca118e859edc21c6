#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example application: stock, customers, vouchers and its specs; on a store and through a server.
set -eu
. "$(dirname "$0")/cli_steps.sh"
: >in

expect 0 test "$app"
out_has ' passed, 0 failed'

# tea QTY: an order of it.
tea()
{
    echo "{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"tea\",\"qty\":$1,\"price\":450}]}"
}

# Runs a command, and notes the position for those who then ask.
send()
{
    expect 0 command send "$@" $with -o json
    position=$(sed -n 's/.*"last_position":\([0-9]*\).*/\1/p' out)
}

steps()
{
    # What nobody keeps stock of can be ordered; what is short cannot, and the message says how much there is.
    expect 0 command send PlaceOrder order-1 --data "$(tea 5)" $with
    expect 0 command send ReceiveStock inventory-tea --data '{"qty":5}' $with
    expect 0 command send ReserveStock inventory-tea --data '{"order_id":"order-1","qty":4}' $with
    expect 9 command send PlaceOrder order-2 --data "$(tea 2)" $with
    out_is '{"code":"out_of_stock","message":"tea: 1 left"}'
    expect 9 command send ReserveStock inventory-tea --data '{"order_id":"order-2","qty":2}' $with
    out_is '{"code":"out_of_stock","message":"1 left"}'
    expect 0 command send ReleaseStock inventory-tea --data '{"order_id":"order-1"}' $with -o json
    expect 0 command send PlaceOrder order-2 --data "$(tea 2)" $with
    expect 0 query stock sku=tea $with -o json
    out_has '"available":5'
    # Lines of one order that are too much together.
    expect 9 command send PlaceOrder order-3 $with \
        --data '{"customer_id":"c-1","items":[{"sku":"tea","qty":3,"price":1},{"sku":"tea","qty":3,"price":1}]}'
    out_is '{"code":"out_of_stock","message":"tea: 5 left"}'

    # A registration of the first days, which is appended as it was then, and its name today.
    expect 0 stream append customer-1 --type CustomerRegistered $raw \
        --data '{"first_name":"Ann","last_name":"Lee","email":"ann@example.com"}'
    expect 0 command send RenameCustomer customer-1 --data '{"name":"Ann Lee"}' $with -o json
    out_has '"events":[]'
    expect 0 command send RenameCustomer customer-1 --data '{"name":"Ann Fox"}' $with
    expect 9 command send RegisterCustomer customer-1 --data '{"name":"Ann","email":"ann@example.com"}' $with
    out_has '"code":"registered_already"'
    expect 0 command send RegisterCustomer customer-2 --data '{"name":"Bo Day","email":"bo@example.com"}' $with -o json
    out_has '"schema_version":2'
    expect 4 command send RegisterCustomer customer-3 --data '{"name":"Bo Fox","email":"BO@example.com"}' $with
    err_has 'inline projection customer_emails: '
    expect 4 stream append customer-3 --type CustomerRegistered $raw \
        --data '{"first_name":"Bo","last_name":"Fox","email":"bo@example.com"}'
    expect 0 query customer_by_email email=Bo@Example.com $with -o json
    out_has '"rows":[{"customer_id":"2"}]'
    cat >in <<'END'
{"type":"RegisterCustomer","stream":"customer-4","data":{"name":"Di","email":"di@example.com"}}
{"type":"RegisterCustomer","stream":"customer-5","data":{"name":"Ed","email":"DI@example.com"}}
{"type":"RegisterCustomer","stream":"customer-6","data":{"name":"Flo","email":"flo@example.com"}}
END
    expect 4 command send - $with
    : >in
    out_has 'projection-refused'
    expect 3 aggregate show customer-5 $with
    expect 0 query customer_by_email email=di@example.com $with -o json
    out_has '"rows":[{"customer_id":"4"}]'
    expect 0 query customer_by_email email=flo@example.com $with -o json
    out_has '"rows":[{"customer_id":"6"}]'
    expect 0 aggregate show customer-1 $with -o json
    out_has '"state":{"email":"ann@example.com","name":"Ann Fox","registered":true}'
    expect 2 stream append customer-1 --type CustomerRenamed --data '{"nam":"Ann"}' $raw
    err_has "schemas/CustomerRenamed.json"

    # An order's customer has a name once they are registered, and has the one they have now.
    expect 0 query order_summary order_id=order-1 $with -o json
    out_has '"customer_id":"c-1","customer_name":null,'
    send RegisterCustomer customer-c-1 --data '{"name":"Cy Orr","email":"cy@example.com"}'
    expect 0 query order_summary order_id=order-1 --after-position "$position" $with -o json
    out_has '"customer_name":"Cy Orr",'
    send RenameCustomer customer-c-1 --data '{"name":"Cy Fox"}'
    expect 0 query customer_orders customer_id=c-1 --after-position "$position" $with -o json
    out_has '"order_id":"order-1","customer_id":"c-1","customer_name":"Cy Fox",'
    out_has '"order_id":"order-2","customer_id":"c-1","customer_name":"Cy Fox",'
    send CancelOrder order-2
    expect 0 query sales_per_day first=2026-01-01 last=9999-12-31 --after-position "$position" $with -o json
    out_has '"orders":1,"items":5,"amount":2250}]'
    expect 0 projection rebuild sales_per_day --wait $with -o json
    expect 0 query sales_per_day first=2026-01-01 last=9999-12-31 --after-position "$position" $with -o json
    out_has '"orders":1,"items":5,"amount":2250}]'

    # A voucher is used once, whatever order it is used on.
    expect 0 command send UseVoucher order-1 --data '{"voucher":"TEA5"}' $with
    expect 9 command send UseVoucher order-2 --data '{"voucher":"TEA5"}' $with
    out_is '{"code":"voucher_used","message":"TEA5 was used on order-1"}'
    expect 0 command send ShipOrder order-1 $with
    expect 0 aggregate show order-1 $with -o json
    out_has '"voucher":"TEA5"'
    out_has '"status":"SHIPPED"'
}

with="--store $(store local) --app $app" raw="--store $(store local) --app $app"
steps
serve "$app" --store "$(store served)"
with="--server $url" raw="--server $url"
steps

# The same over HTTP: a command, a batch of them, an append.
last='curl'
post()
{
    curl -s -o out -w '%{http_code}\n' -H "Content-Type: $1" "$url/$2" -d "$3" >code
}
post application/json commands/RegisterCustomer '{"stream":"customer-9","data":{"name":"Gus","email":"Bo@example.com"}}'
[ "$(cat code)" = 409 ] || fail "status $(cat code)"
out_has ':projection-refused"'
post application/x-ndjson commands \
    '{"type":"RegisterCustomer","stream":"customer-9","data":{"name":"Gus","email":"Bo@example.com"}}'
[ "$(cat code)" = 200 ] || fail "status $(cat code)"
out_has 'projection-refused'
stop
