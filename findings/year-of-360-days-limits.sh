#!/usr/bin/env bash
# PyPI limits 5.8.0 (beneath Flask-Limiter and slowapi) on Python 3.
#
# Expected: "100 per year" lasts a year, of 365 days at the least, and "100 per 12 months" as long as that; "per month" is a calendar
#   month, or it says so where it is none.
# Seen: a month has 30 days and a year has 12 of them: 360. A quota by the year starts anew five days early each time, and after 73 years
#   it was granted 74 times. A fixed window does not begin with the clock's day or month, but with its first hit: "per month" filled on the
#   31st of January is free again on the 2nd of March, not on the 1st of February.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target packages limits==5.8.0
cat >try.py <<'PY'
import sys
sys.path.insert(0, 'packages')
from datetime import datetime, timedelta, timezone
from unittest import mock

import limits
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

DAY = 24 * 60 * 60
days = {text: limits.parse(text).get_expiry() / DAY for text in ('1 per day', '1 per month', '1 per 12 months', '1 per year')}
print(days)
assert days == {'1 per day': 1, '1 per month': 30, '1 per 12 months': 360, '1 per year': 360}
assert 74 * days['1 per year'] <= 73 * 365

start = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
monthly = limits.parse('1 per month')
with mock.patch('time.time') as now:
    now.return_value = start.timestamp()
    limiter = FixedWindowRateLimiter(MemoryStorage())
    assert limiter.hit(monthly, 'user') and not limiter.hit(monthly, 'user')
    reset, _remaining = limiter.get_window_stats(monthly, 'user')
free = datetime.fromtimestamp(reset, timezone.utc)
print('filled', start.date(), 'free', free.date())
assert free == start + timedelta(days=30)
assert free.date().isoformat() == '2027-03-02'
PY
python3 try.py
echo 'as described'
