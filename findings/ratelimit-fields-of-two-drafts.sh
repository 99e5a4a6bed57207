#!/usr/bin/env bash
# npm ratelimit-header-parser 0.1.0 (its newest) with express-rate-limit 8.7.5 and express 5.3.0, on Node 20.
#
# Expected: the parser, which the authors of express-rate-limit recommend for clients, reads what that middleware sends; and where an
#   answer has both the current `RateLimit` list of the IETF draft and the older `x-ratelimit-*` headers, it reads at least the latter.
# Seen: as soon as a `RateLimit` field is there it looks at nothing else, and it knows that field's form of draft 7 only
#   (`limit=5, remaining=4, reset=60`). Of the form since draft 8 (`"5-in-1min"; r=4; t=60`) it makes NaN and an invalid date, and it
#   does so beside good `x-ratelimit-*` headers too: adding the standard's field takes away what a client could read before. No error
#   is raised, and comparisons with NaN are false, so `remaining < 1` is never true.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts \
    ratelimit-header-parser@0.1.0 express-rate-limit@8.7.5 express@5.3.0

cat >try.mjs <<'JS'
import assert from 'node:assert/strict';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { parseRateLimit } from 'ratelimit-header-parser';

const answerOf = async (options) => {
    const app = express();
    app.use(rateLimit({ windowMs: 60_000, limit: 5, legacyHeaders: false, standardHeaders: false, ...options }));
    app.get('/', (_request, response) => response.send('ok'));
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
    await answer.text();
    server.close();
    const told = [...answer.headers].filter(([name]) => name.includes('ratelimit') && !name.includes('policy'));
    const read = parseRateLimit(answer);
    console.log(JSON.stringify(told), '->', read);
    return read;
};

const good = { limit: 5, remaining: 4, used: 1 };
const parts = ({ limit, remaining, used }) => ({ limit, remaining, used });

assert.deepEqual(parts(await answerOf({ legacyHeaders: true })), good, 'x-ratelimit-* alone');
assert.deepEqual(parts(await answerOf({ standardHeaders: 'draft-7' })), good, 'draft 7');

const nothing = { limit: NaN, remaining: NaN, used: NaN };
const draft8 = await answerOf({ standardHeaders: 'draft-8' });
assert.deepEqual(parts(draft8), nothing, 'draft 8 alone');
assert.equal(Number.isNaN(draft8.reset.getTime()), true, 'no time either');
const both = await answerOf({ standardHeaders: 'draft-8', legacyHeaders: true });
assert.deepEqual(parts(both), nothing, 'draft 8 beside x-ratelimit-*');
assert.equal(both.remaining < 1, false);

const older = { 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '4', 'x-ratelimit-reset': '1893456000' };
assert.deepEqual(parts(parseRateLimit(older)), good, 'the older headers picked out by the client');
JS
node try.mjs
echo 'as described'
