#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: embedded.sh SOURCE BUILD [CFLAGS]
#
# Installs varve into a scratch folder and builds examples/embedded against it as a user would, by
# pkg-config and with the shared library; runs it twice, since the second run finds the store.
set -eu

source=$1 build=$2 cflags=${3-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

DESTDIR=$scratch/root cmake --install "$build" >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/root" -name varve.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$scratch/root" LD_LIBRARY_PATH

cp "$source/examples/embedded/Makefile" "$source/examples/embedded/order.c" "$scratch"
cd "$scratch"
make -s CFLAGS="-Wall -Wextra -Werror $cflags"
for run in 1 2; do
    ./order >out
    cat out
    grep -q SHIPPED out
    grep -q "order-$run" out
    grep -q 'ShipOrder: rejected' out
done
