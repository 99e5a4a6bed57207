#!/usr/bin/env bash
# pendulum 3.3.0 with tzdata 2026.6 (both newest), on Python 3.11, beside arrow 1.4.0 and `zoneinfo` of the standard library.
#
# Expected: `start_of("day")` is the first moment of the day that a time is in, whatever the zone does to its clock at midnight: what a
#   client computes who wants to know since when a quota of the calendar day is counted.
# Seen: where the hour that is left out in spring is the one from 00:00 to 01:00 (Chile, Cuba, Egypt, Lebanon), it is 23:00 of the day
#   before. Where that hour comes twice in autumn (Cuba), it is the second midnight for times behind it: one day has two starts, and the
#   earlier is the right one. arrow gives 01:00, and the first midnight; `replace(hour=0)` of the standard library is right in spring and
#   wrong in autumn.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: pendulum==3.3.0 tzdata==2026.6 arrow==1.4.0
cat >"$folder/try.py" <<'PY'
import datetime as dt
from zoneinfo import ZoneInfo

import arrow
import pendulum

SHAPE = "%Y-%m-%dT%H:%MZ"


def utc(time):
    return time.astimezone(dt.timezone.utc).strftime(SHAPE)


def first_moment(zone, time):
    """By looking at every minute: no arithmetic of any library."""
    day, moment = time.astimezone(zone).date(), time.replace(second=0)
    while (moment - dt.timedelta(minutes=1)).astimezone(zone).date() == day:
        moment -= dt.timedelta(minutes=1)
    return utc(moment)


# Zone, a time, the first moment of its day, what pendulum says, what `replace` says.
for name, text, first, seen, replaced in [
    ("America/Santiago", "2027-09-05T12:00Z", "2027-09-05T04:00Z", "2027-09-05T03:00Z", "2027-09-05T04:00Z"),
    ("America/Havana", "2027-03-14T12:00Z", "2027-03-14T05:00Z", "2027-03-14T04:00Z", "2027-03-14T05:00Z"),
    ("Africa/Cairo", "2027-04-30T12:00Z", "2027-04-29T22:00Z", "2027-04-29T21:00Z", "2027-04-29T22:00Z"),
    ("Asia/Beirut", "2027-03-28T12:00Z", "2027-03-27T22:00Z", "2027-03-27T21:00Z", "2027-03-27T22:00Z"),
    ("America/Havana", "2027-11-07T04:30Z", "2027-11-07T04:00Z", "2027-11-07T04:00Z", "2027-11-07T04:00Z"),
    ("America/Havana", "2027-11-07T05:30Z", "2027-11-07T04:00Z", "2027-11-07T05:00Z", "2027-11-07T05:00Z"),
]:
    zone = ZoneInfo(name)
    time = dt.datetime.strptime(text, SHAPE).replace(tzinfo=dt.timezone.utc)
    assert first_moment(zone, time) == first, (name, text, first_moment(zone, time))
    start = pendulum.instance(time).in_timezone(name).start_of("day")
    print(name, text, "first moment", first, "pendulum", utc(start), "=", start)
    assert utc(start) == seen, (name, text, utc(start))
    assert utc(arrow.get(time).to(name).floor("day").datetime) == first, (name, text)
    assert utc(time.astimezone(zone).replace(hour=0, minute=0)) == replaced, (name, text)
    if seen < first:
        assert start.date() < time.astimezone(zone).date(), "it lies in the day before"
PY
"$folder/venv/bin/python" "$folder/try.py"
echo 'as described'
