// SPDX-License-Identifier: Apache-2.0
// Executes commands with the TypeScript program of docs/your-language.md, all at the same time: driver.py's twin.
import { readFileSync } from "node:fs";
import * as account from "./account.js";
import { Refused, TryAgain, Varve } from "./client.js";

const [url, timeout, seconds] = process.argv.slice(2);
const varve = new Varve(url, Number(timeout) * 1000);

async function outcome(line: string): Promise<object> {
    const [stream, command] = JSON.parse(line) as [string, account.Command];
    try {
        return { outcome: "accepted", ...(await varve.execute(account, stream, command, Number(seconds))) };
    } catch (error) {
        if (error instanceof account.Rejected) return { outcome: "rejected", code: error.code };
        if (error instanceof TryAgain) return { outcome: "try again" };
        if (error instanceof Refused) return { outcome: "refused", problem: error.problem };
        throw error;
    }
}

console.log("ready");
const lines = readFileSync(0, "utf8").trimEnd().split("\n");
for (const result of await Promise.all(lines.map(outcome))) console.log(JSON.stringify(result));
