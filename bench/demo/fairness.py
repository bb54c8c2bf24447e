"""Asks how fairly work is shared out, over JSON as anybody may."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

TIMEOUT_SECONDS = 10.0
PERCENT = 100


def months_of(play_minutes: Iterable[tuple[int, int]], zone: str) -> list[str]:
    """Lists the months that windows touch, by the clocks of the zone."""
    months = set()
    for start, end in play_minutes:
        for minute in (start, end - 1):
            months.add(f"{datetime.fromtimestamp(60 * minute, ZoneInfo(zone)):%Y-%m}")
    return sorted(months)


def months_ahead(now: datetime, zone: str, days: int) -> list[str]:
    """Lists the months of the next days."""
    begin = int(now.timestamp()) // 60
    end = int((now + timedelta(days=days)).timestamp()) // 60
    return months_of([(begin, end)], zone)


def ask(
    gateway: str, token: str, months: Sequence[str], resource_ids: Sequence[str]
) -> dict[str, Any]:
    """Returns the largest gap in percent of its target, and whether all are within tolerance.

    Months in which nobody works yet say nothing and are left out.
    """
    gaps, days, within, rows = [0.0], [0.0], True, 0
    for month in months:
        query = urllib.parse.urlencode({"month": month, "resourceIds": resource_ids}, doseq=True)
        question = urllib.request.Request(
            f"{gateway}/v1/fairness?{query}", headers={"authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(question, timeout=TIMEOUT_SECONDS) as reply:
            found = json.load(reply).get("rows", [])
        worked = sum(row.get("deliveredDays", 0) + row.get("committedDays", 0) for row in found)
        for row in found:
            rows += 1
            within = within and row.get("withinTolerance", False)
            if row.get("targetShare"):
                gaps.append(abs(row.get("gap", 0.0)) / row["targetShare"] * PERCENT)
            days.append(abs(row.get("gap", 0.0)) * worked)
    return {
        "max_abs_gap_percent": round(max(gaps), 1),
        "within_tolerance": within,
        # Work comes in whole days: who offers few cannot be nearer than a part of one.
        "max_abs_gap_days": round(max(days), 2),
        "people_and_months": rows,
    }
