# SPDX-License-Identifier: Apache-2.0
# Steps for the command line's scenarios, sourced by cli_*.sh: each runs in a scratch folder of its own.
# usage of every scenario: SCRIPT VARVE APP

varve=$1
app=$2
scratch=$(mktemp -d)
server=''
unset VARVE_STORE VARVE_APP VARVE_SERVER VARVE_LISTEN VARVE_OUTPUT
cd "$scratch"

# store NAME: the URI of this scenario's store of that name, of the kind that VARVE_TEST_STORE says.
store()
{
    if in_a_file; then
        echo "sqlite:$1.db"
    else
        echo "$(cat "$VARVE_TEST_POSTGRES/uri")&schema=cli_$$_$1"
    fi
}

# Whether the store is a file, which one process at a time may write.
in_a_file()
{
    [ -z "${VARVE_TEST_STORE-}" ]
}

finish()
{
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

fail()
{
    echo "failed: $*" >&2
    echo "the last command: varve $last" >&2
    sed 's/^/  out: /' out >&2
    sed 's/^/  err: /' err >&2
    exit 1
}

# expect EXIT ARGUMENT…: runs varve with standard input from the file `in`; keeps `out` and `err`.
expect()
{
    want=$1
    shift
    last=$*
    code=0
    "$varve" "$@" <in >out 2>err || code=$?
    [ "$code" -eq "$want" ] || fail "exit code $code, expected $want"
    if [ "$want" -ne 0 ] && [ "$want" -ne 9 ]; then
        grep -q '^varve: ' err || fail "no line on standard error says what is wrong"
    fi
}

# The whole of standard output.
out_is()
{
    [ "$(cat out)" = "$1" ] || fail "standard output is not: $1"
}

# A fixed text somewhere in standard output or standard error.
out_has()
{
    grep -qF -- "$1" out || fail "standard output has no: $1"
}

err_has()
{
    grep -qF -- "$1" err || fail "standard error has no: $1"
}

out_lines()
{
    [ "$(wc -l <out)" -eq "$1" ] || fail "standard output has not $1 lines"
}

# serve ARGUMENT…: starts a server on a free port and waits until it listens; sets `url`.
serve()
{
    mkfifo serve.err
    "$varve" serve "$@" --listen 127.0.0.1:0 2>serve.err >/dev/null &
    server=$!
    exec 3<serve.err
    rm serve.err
    url=''
    while [ -z "$url" ] && read -r line <&3; do
        echo "$line" >>serve.log
        case $line in
        'listening on '*) url=${line#listening on } ;;
        esac
    done
    [ -n "$url" ] || { cat serve.log >&2; exit 1; }
    cat <&3 >>serve.log &
}

# Asks the server to end and checks that it does so in good order.
stop()
{
    kill -TERM "$server"
    code=0
    wait "$server" || code=$?
    server=''
    [ "$code" -eq 0 ] || { echo "the server's exit code is $code" >&2; cat serve.log >&2; exit 1; }
}

: >in
: >out
: >err

# Takes what only stores of several processes tell of a projection out of `out`.
forget_owner()
{
    sed 's/,"owner":"[^"]*"//g' out >out.plain
    mv out.plain out
}
