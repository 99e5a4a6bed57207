#!/usr/bin/env bash
# npm got 14.6.6, axios-retry 4.5.0 (with axios 1.21.1) and ky 1.14.3, on Node 20.
#
# Expected: a client that honours `Retry-After` and gets one of 25 days with a 429 (a monthly quota that is used up) waits, or gives up.
# Seen: got, by default for a GET, and axios-retry with its `exponentialDelay` hand the delay to a timer that takes at most 24.8 days
#   (2^31 - 1 ms) and makes 1 ms of what is longer: all tries are made at once. One of a second they wait for. Node prints a
#   TimeoutOverflowWarning. got gives up at once if `retry.maxRetryAfter` is set; ky waits, since it cuts the delay to the longest.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts got@14.6.6 axios-retry@4.5.0 axios@1.21.1 ky@1.14.3
cat >try.mjs <<'JS'
import assert from 'node:assert/strict';
import http from 'node:http';
import axios from 'axios';
import axiosRetry, { exponentialDelay } from 'axios-retry';
import got from 'got';
import ky from 'ky';

const MONTH = String(25 * 24 * 60 * 60);
const retried = axios.create();
axiosRetry(retried, { retries: 3, retryDelay: exponentialDelay, retryCondition: (error) => error.response?.status === 429 });
const clients = {
    got: (url, signal) => got(url, { signal }),
    'got with maxRetryAfter': (url, signal) => got(url, { signal, retry: { maxRetryAfter: 60_000 } }),
    'axios-retry': (url, signal) => retried.get(url, { signal }),
    ky: (url, signal) => ky.get(url, { signal }),
};

// Asks once, and gives how many requests came before the first second was over, and whether the client has given up by then.
const asked = async (ask, wait) => {
    let requests = 0;
    const server = http.createServer((_request, response) => {
        requests += 1;
        response.writeHead(429, { 'retry-after': wait }).end();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stop = new AbortController();
    const answered = ask(`http://127.0.0.1:${server.address().port}/`, stop.signal).then(() => true, () => true);
    const gaveUp = await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 900, false))]);
    const seen = { requests, gaveUp };
    stop.abort();
    await answered;
    server.close();
    return seen;
};

for (const [name, month, second] of [
    ['got', { requests: 3, gaveUp: true }, { requests: 1, gaveUp: false }],
    ['got with maxRetryAfter', { requests: 1, gaveUp: true }, { requests: 1, gaveUp: false }],
    ['axios-retry', { requests: 4, gaveUp: true }, { requests: 1, gaveUp: false }],
    ['ky', { requests: 1, gaveUp: false }, { requests: 1, gaveUp: false }],
]) {
    const seen = { month: await asked(clients[name], MONTH), second: await asked(clients[name], '1') };
    console.log(name, seen);
    assert.deepEqual(seen, { month, second }, name);
}
JS
node --no-warnings try.mjs
echo 'as described'
