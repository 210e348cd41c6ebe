"""Simulated alerts to a real Alertmanager, so that routes, receivers and silences are tried before the day.

The only file that knows Alertmanager's HTTP. It posts what it is given, where it is told to, and nothing by itself.
"""

from collections.abc import Sequence
from typing import Any

import httpx

from chaosprsa.errors import QueryRefused, Refused, SourceUnreachable

PATH = "/api/v2/alerts"
MOST = 200  # alerts in one posting: a drill, not a flood
Alert = dict[str, Any]


def post_alerts(url: str, alerts: Sequence[Alert], timeout_s: float = 10.0) -> None:
    """Post them all at once; Alertmanager's base URL, without /api.

    Raises Refused for more than MOST, or one that isn't labelled simulated="true"; SourceUnreachable, or QueryRefused
    with Alertmanager's reason.
    """
    if len(alerts) > MOST:
        raise Refused(f"{len(alerts)} alerts are too many for a drill: post at most {MOST} at once (--limit)")
    strange = [alert["labels"].get("alertname", "?") for alert in alerts if alert["labels"].get("simulated") != "true"]
    if strange:
        raise Refused(
            f'{strange[0]}: an alert without simulated="true" would be taken for a real one; it is not posted'
        )
    where = f"{url.rstrip('/')}{PATH}"
    try:
        answer = httpx.post(where, json=list(alerts), timeout=timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceUnreachable(
            f"{where}: {str(error).rstrip('.') or type(error).__name__}; name a running Alertmanager's URL"
        ) from None
    if answer.status_code != 200:
        raise QueryRefused(f"{where}: {answer.status_code} {answer.text.strip()[:300]}")
