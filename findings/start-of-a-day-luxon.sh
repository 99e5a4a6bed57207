#!/usr/bin/env bash
# npm luxon 3.7.2 (its newest) on Node 20, beside temporal-polyfill 1.0.8 and @js-joda/core 6.3.2 with @js-joda/timezone 2.25.2.
#
# Expected: `startOf('day')` is one moment for all times of a day, so that two requests of one day agree on the day; and a day later,
#   `.plus({ days: 1 })`, is the start of the next day.
# Seen: where a zone sets its clock back at 01:00 to 00:00 (Cuba), midnight comes twice, and a time behind the second one has it for its
#   start: one day of 25 hours has two starts. Where a day begins at 01:00 because 00:00 is left out (Chile), `plus` of a day on its start
#   is 01:00 of the next day, an hour late; that holds for `add` of Temporal too, as it is specified: ask for the start again after adding.
#   Temporal's startOfDay and js-joda's atStartOfDay give the first midnight.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts \
    luxon@3.7.2 temporal-polyfill@1.0.8 @js-joda/core@6.3.2 @js-joda/timezone@2.25.2
cat >try.mjs <<'JS'
import assert from 'node:assert/strict';
import * as joda from '@js-joda/core';
import '@js-joda/timezone';
import { DateTime } from 'luxon';
import { Temporal } from 'temporal-polyfill';

const utc = (ms) => new Date(Number(ms)).toISOString().slice(0, 16) + 'Z';
const luxon = (zone, time) => DateTime.fromISO(time, { zone }).startOf('day');
const temporal = (zone, time) => Temporal.Instant.from(time).toZonedDateTimeISO(zone).startOfDay();
const jodas = (zone, time) => {
    const at = joda.ZonedDateTime.ofInstant(joda.Instant.parse(time), joda.ZoneId.of(zone));
    return at.toLocalDate().atStartOfDay(joda.ZoneId.of(zone)).toInstant().toEpochMilli();
};

const havana = 'America/Havana';
for (const [time, seen] of [['2027-11-07T04:30:00Z', '2027-11-07T04:00Z'], ['2027-11-07T05:30:00Z', '2027-11-07T05:00Z'],
    ['2027-11-08T04:30:00Z', '2027-11-07T05:00Z']]) {
    const start = luxon(havana, time);
    console.log(havana, time, 'luxon', start.toISO(), 'Temporal', temporal(havana, time).toString());
    assert.equal(DateTime.fromISO(time, { zone: havana }).toISODate(), '2027-11-07', 'all are of one day');
    assert.equal(utc(start.toMillis()), seen, time);
    assert.equal(utc(temporal(havana, time).epochMilliseconds), '2027-11-07T04:00Z', time);
    assert.equal(utc(jodas(havana, time)), '2027-11-07T04:00Z', time);
}

const [zone, time] = ['America/Santiago', '2027-09-05T12:00:00Z'];
const next = '2027-09-06T03:00Z';
assert.equal(utc(luxon(zone, time).plus({ days: 1 }).toMillis()), '2027-09-06T04:00Z', 'an hour late');
assert.equal(utc(luxon(zone, time).plus({ days: 1 }).startOf('day').toMillis()), next);
assert.equal(utc(temporal(zone, time).add({ days: 1 }).epochMilliseconds), '2027-09-06T04:00Z', 'Temporal no less');
assert.equal(utc(temporal(zone, time).add({ days: 1 }).startOfDay().epochMilliseconds), next);
JS
node try.mjs
echo 'as described'
