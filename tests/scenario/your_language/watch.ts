// SPDX-License-Identifier: Apache-2.0
// Prints [position, accounts] whenever balances.ts of docs/your-language.md has come further: watch.js URL.
import { Balances } from "./balances.js";

const balances: Balances = new Balances(process.argv[2], (position) =>
    console.log(JSON.stringify([position, Object.fromEntries(balances.accounts)])));
await balances.run();
