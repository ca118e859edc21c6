#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/commands.md takes its reader from an empty folder to a tested aggregate: what it says is done, and shows what it
# shows.
set -eu
. "$(dirname "$0")/cli_steps.sh"
: >in
page=$app/../../docs/commands.md

# block LANGUAGE N: the N-th block of that language on the page.
block()
{
    awk -v begin="\`\`\`$1" -v wanted="$2" '
        $0 == begin { inside = ++count == wanted; next }
        $0 == "```" { inside = 0 }
        inside' "$page"
}

mkdir -p hotel/aggregates hotel/specs bin
block lua 1 >hotel/aggregates/room.lua
block yaml 1 >hotel/specs/room.yaml
ln -s "$varve" bin/varve
PATH=$PWD/bin:$PATH

# Runs the lines that begin with a prompt, and holds what comes against what the page shows.
for n in 1 2; do
    block console $n >shown
    [ -s shown ] || fail "the page has no $n. block of commands"
    : >out
    while IFS= read -r line; do
        echo "$line" >>out
        last=$line
        (eval "${line#\$ }") >>out 2>&1 <in || true
    done <<END
$(grep '^\$ ' shown)
END
    cmp -s out shown || fail "docs/commands.md shows something else"
done
