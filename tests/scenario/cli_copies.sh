#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole stores: backup under writing, restore, export and import, a new incarnation, and who notices; what doctor says.
set -eu
. "$(dirname "$0")/cli_steps.sh"
order='{"customer_id":"c-1","items":[{"sku":"tea","qty":1,"price":100}]}'
incarnation_of()
{
    "$varve" store info --store "sqlite:$1" -o json | sed 's/.*"incarnation":"\([^"]*\)".*/\1/'
}
orders()
{
    awk -v from="$1" -v to="$2" 'BEGIN {
        for (n = from; n <= to; n++) printf "{\"type\":\"PlaceOrder\",\"stream\":\"order-%s\",\"data\":@}\n", n
    }' | sed "s/@/$order/"
}
# The names in the folder: what a refusal must leave as it was. A lock file stays, lest there be two under its name.
names()
{
    ls | grep -v '^\(in\|out\|err\|names\|before\|.*\.lock\)$'
}

# ---- a backup while a writer keeps appending ----

serve "$app" --store sqlite:t.db
mkfifo orders
"$varve" command send - --server "$url" --quiet <orders >accepted 2>&1 &
writer=$!
exec 5>orders
(
    n=0
    while [ ! -e enough ]; do
        n=$((n + 50))
        orders $((n - 49)) $n
    done
) >&5 &
feeder=$!
exec 5>&-
expect 0 log read --follow --limit 500 --server "$url"
for copy in 1 2 3; do
    expect 0 store backup backup-$copy.db --store sqlite:t.db -o json
    out_has '{"backup":"backup-'$copy'.db","incarnation":"'
done
: >enough
wait $feeder
wait $writer || fail "the writer did not get through"
expect 0 log read --store sqlite:t.db
mv out whole
for copy in 1 2 3; do
    expect 0 store verify --store sqlite:backup-$copy.db -o json
    out_has '{"ok":true,'
    expect 0 log read --store sqlite:backup-$copy.db
    lines=$(wc -l <out)
    [ "$lines" -ge 500 ] || fail "the backup lacks what was there when it began"
    head -n "$lines" whole | cmp -s - out || fail "the backup is not what the log was at one moment"
done
expect 2 store backup backup-1.db --store sqlite:t.db
err_has 'exists'
expect 1 store backup nowhere/backup.db --store sqlite:t.db
expect 3 store backup b.db --store sqlite:nothing.db
ls | grep -q partial && fail "an unfinished copy is left"

# Only the server's own process may write, so nobody may change the store under it.
expect 5 store new-incarnation --store sqlite:t.db
err_has "process $server"
expect 2 store restore backup-1.db --store sqlite:t.db
err_has 'exists'
stop

# ---- export and import ----

expect 0 stream append bytes-1 --type Kept --metadata '{"k":
 1}' --data '{ "a": 1.50,
  "b": [ ] }' --tag x --occurred-at 2020-01-02T03:04:05Z --store sqlite:t.db
expect 0 log read --store sqlite:t.db -o json
sed 's/"incarnation":"[^"]*"//' out >whole
events=$("$varve" log read --store sqlite:t.db | wc -l)
expect 0 store export t.export --store sqlite:t.db -o json
out_is '{"export":"t.export","events":'"$events"'}'
expect 0 store export --store sqlite:t.db
err_has "$events events exported"
cmp -s out t.export || fail "an export to standard output is another one"
[ "$(wc -l <t.export)" -eq $((events + 2)) ] || fail "an event is not a line"
last='store export | store import'
"$varve" store export - --store sqlite:t.db --quiet |
    "$varve" store import - --store sqlite:i.db --quiet -o json >out 2>err || fail "the import of a pipe"
out_has "\"last_position\":$events,"
expect 0 store verify --store sqlite:i.db
expect 0 log read --store sqlite:i.db -o json
sed 's/"incarnation":"[^"]*"//' out | cmp -s - whole || fail "an import is another log"
[ "$(incarnation_of i.db)" != "$(incarnation_of t.db)" ] || fail "an import has kept the incarnation"
expect 0 store export --store sqlite:i.db
cmp -s out t.export || fail "the export of an import is another one"
expect 0 command send PlaceOrder order-new --data "$order" --store sqlite:i.db --app "$app"
expect 0 query order_summary order_id=order-new --store sqlite:i.db --app "$app"
out_has '"status":"PLACED"'

# An empty log goes through too, and into a store that exists and is empty.
printf '{"varve_export":1,"events":0}\n{"end":0,"crc32c":"00000000"}\n' >none.export
expect 0 store import none.export --store sqlite:e.db -o json
out_has '"last_position":0,'
expect 0 store import t.export --store sqlite:e.db --quiet
expect 0 store verify --store sqlite:e.db

# Not into a store with events.
expect 2 store import t.export --store sqlite:t.db
err_has 'not empty'
expect 3 store import nothing.export --store sqlite:n.db
expect 2 store export t.export --store sqlite:t.db
expect 1 store export nowhere/t.export --store sqlite:t.db

# Damage of any kind is noticed, and nothing is left behind.
size=$(wc -c <t.export)
flip()
{
    byte=$(dd if=t.export bs=1 skip="$1" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
    cp t.export damaged
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %03o $((byte ^ 1)))" | dd of=damaged bs=1 seek="$1" conv=notrunc 2>/dev/null
}
refused()
{
    names >before
    code=0
    "$varve" store import damaged --store sqlite:n.db >out 2>err || code=$?
    last="store import, $1"
    case $code in
    1 | 2 | 7) ;;
    *) fail "exit code $code for a damaged export" ;;
    esac
    grep -q '^varve: ' err || fail "no line on standard error says what is wrong"
    names | cmp -s - before || fail "a damaged export has left something behind"
}
for part in 0 1 2 3 4 5 6 7 8 9; do
    flip $((size * part / 10 + 3))
    refused "a flipped byte at $part tenths"
done
flip $((size - 5))
refused "a flipped byte in the checksum"
head -c $((size / 2)) t.export >damaged
refused "cut in the middle of a line"
head -n $((events / 2)) t.export >damaged
refused "cut between two lines"
sed '$d' t.export >damaged
refused "the last line missing"
sed '2d' t.export >damaged
refused "the first event missing"
(cat t.export && echo) >damaged
refused "a line too many"
: >damaged
refused "nothing at all"
head -n 1 whole >damaged
refused "something else"

# A file appears whole or not at all: here the disk, or what may be written of it, is full.
code=0
(
    trap '' XFSZ
    ulimit -f 128
    exec "$varve" store export small.export --store sqlite:t.db >out 2>err
) || code=$?
last='store export, file size limited'
[ $code -eq 1 ] || fail "an export that cannot be written ends with exit code $code"
err_has 'cannot be written'
ls | grep -q '^small' && fail "half an export is left behind"
if [ -c /dev/full ]; then
    code=0
    "$varve" store export --store sqlite:t.db >/dev/full 2>err || code=$?
    [ $code -eq 1 ] || fail "an export to a full disk ends with exit code $code"
fi

# ---- restore: everything outside that kept a position notices ----

expect 0 store restore backup-1.db --store sqlite:r.db -o json
restored=$(sed 's/.*"last_position":\([0-9]*\).*/\1/' out)
[ "$restored" -ge 500 ] || fail "the restored store is not the backup"
[ "$(incarnation_of r.db)" != "$(incarnation_of t.db)" ] || fail "a restore has kept the incarnation"
expect 0 store verify --store sqlite:r.db
expect 2 store restore backup-1.db --store sqlite:r.db
expect 3 store restore nothing.db --store sqlite:n.db
cp backup-1.db torn.db
size=$(wc -c <torn.db)
dd if=/dev/zero of=torn.db bs=1 seek=$((size / 2)) count=20000 conv=notrunc 2>/dev/null
expect 7 store restore torn.db --store sqlite:n.db
[ ! -e n.db ] || fail "a damaged backup was restored"

# A shop whose store is lost after its read model went further than the backup.
expect 0 store backup shop.backup --store sqlite:r.db
mkdir shop
expect 0 store restore shop.backup --store sqlite:shop/shop.db --quiet
expect 0 command send PlaceOrder order-lost --data "$order" --store sqlite:shop/shop.db --app "$app"
expect 0 query order_summary order_id=order-lost --store sqlite:shop/shop.db --app "$app"
out_has 'order-lost'
old=$(incarnation_of shop/shop.db)
expect 0 log read --after "$restored" --incarnation "$old" --store sqlite:shop/shop.db
out_lines 1
rm -f shop/shop.db shop/shop.db-wal shop/shop.db-shm shop/shop.db.lock
expect 0 store restore shop.backup --store sqlite:shop/shop.db
err_has 'new incarnation'
expect 0 doctor --store sqlite:shop/shop.db --app "$app" -o json
out_has '{"check":"read model order_summary","result":"warning","detail":"made from another history'
new=$(incarnation_of shop/shop.db)
out_has "incarnation $new"

# Another order takes the lost one's position: the read model must hold this one and not that one.
serve "$app" --store sqlite:shop/shop.db
expect 0 command send PlaceOrder order-other --data "$order" --server "$url" -o json
out_has "\"first_position\":$((restored + 1)),"
expect 0 query order_summary order_id=order-other --after-position $((restored + 1)) --server "$url"
out_has 'order-other'
expect 0 query order_summary order_id=order-lost --server "$url"
out_is ''
expect 0 doctor --server "$url" -o json
out_has "incarnation $new"
out_has '{"check":"read model order_summary","result":"ok","detail":"live, at position '

# Readers that kept a position: pages, a stream that follows, a reader of the file.
for how in '' --follow; do
    # shellcheck disable=SC2086 # nothing or one word
    expect 7 log read $how --after "$restored" --incarnation "$old" --server "$url"
    err_has 'begin again'
done
expect 7 log read --after "$restored" --incarnation "$old" --store sqlite:shop/shop.db
expect 7 log read --after 999999 --server "$url"
expect 7 log read --follow --after 999999 --server "$url"
expect 0 log read --follow --after "$restored" --incarnation "$new" --limit 1 --server "$url"
out_has 'order-other'
expect 2 log read --incarnation yesterday --server "$url"
expect 2 log read --incarnation yesterday --store sqlite:shop/shop.db
stop

# A file that was rolled back by other means is told so.
expect 0 store new-incarnation --store sqlite:shop/shop.db -o json
[ "$(incarnation_of shop/shop.db)" != "$new" ] || fail "the incarnation is the old one"
expect 7 log read --after 1 --incarnation "$new" --store sqlite:shop/shop.db
expect 3 store new-incarnation --store sqlite:nothing.db
[ ! -e nothing.db ] || fail "a store was made to give it an incarnation"

# ---- verify and doctor ----

expect 7 store verify --store sqlite:torn.db -o json
out_has '{"ok":false,'
out_has '"problems":["'
expect 0 doctor -o json
out_has '{"ok":true,"checks":[{"check":"program","result":"ok"'
out_has '{"check":"database library","result":"ok","detail":"sqlite 3.'
expect 0 doctor --store sqlite:t.db --app "$app" -o json
for check in store 'database library' clock disk writing application 'read model order_summary'; do
    out_has "{\"check\":\"$check\",\"result\":\"ok\""
done
expect 1 doctor --store sqlite:nothing.db -o json
out_has '{"ok":false,'
out_has '{"check":"store","result":"failed"'
expect 1 doctor --server http://127.0.0.1:1 -o json
out_has '{"check":"server","result":"failed"'

# A log whose time lies ahead of the clock.
at=2199-01-01T00:00:00.000000Z
{
    echo '{"varve_export":1,"events":1}'
    printf '%s' '{"position":1,"stream":"s-1","aggregate_id":"1","version":1,'
    printf '%s' '"id":"01900000-0000-7000-8000-0000000000aa","type":"X",'
    printf '"data":{},"metadata":{},"tags":[],"occurred_at":"%s","recorded_at":"%s"}\n' $at $at
    echo '{"end":1,"crc32c":"604aab27"}'
} >future.export
expect 0 store import future.export --store sqlite:future.db
expect 0 doctor --store sqlite:future.db -o json
out_has '{"check":"clock","result":"warning","detail":"the last event was recorded at 2199-'
