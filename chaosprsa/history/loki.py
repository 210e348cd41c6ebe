"""Loki's HTTP API: the lines that a LogQL query selects, page by page, the oldest first. An edge.

Loki answers with at most so many lines (its max_entries_limit, 5,000 by default); the next page is asked from the last
line's time on, and lines of that very nanosecond that were seen are passed over.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaosprsa.errors import QueryRefused, SourceUnreachable
from chaosprsa.history.log_records import Record, component_of_labels
from chaosprsa.types import Window

PAGE = 5000
RETRIED = (429, 502, 503, 504)
BACKOFF_S = 0.5
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LokiClient:
    """One server. timeout_s: of one request; retries: further tries where it does not answer or is overloaded."""

    url: str
    timeout_s: float = 30.0
    retries: int = 2
    page: int = PAGE
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def records(self, query: str, window: Window) -> Iterator[list[Record]]:
        """A list a page. Raises SourceUnreachable, or QueryRefused with the server's reason."""
        start, end = (int(each.timestamp()) * _SECOND for each in (window.start, window.end))
        seen: set[tuple[str, str]] = set()
        while start < end:
            entries = self._entries(query, start, end)
            if not entries:
                return
            yield [
                (component, at // _SECOND, line)
                for at, component, stream, line in entries
                if at > start or (stream, line) not in seen
            ]
            if len(entries) < self.page:
                return
            last = entries[-1][0]
            stuck = last == start  # a page of one nanosecond: what more it has can't be asked for
            seen = set() if stuck else {(stream, line) for at, _, stream, line in entries if at == last}
            start = last + stuck

    def _entries(self, query: str, start: int, end: int) -> list[tuple[int, str, str, str]]:
        """(nanoseconds since 1970, component, stream, line), the oldest first."""
        arguments = {"query": query, "start": start, "end": end, "limit": self.page, "direction": "forward"}
        data = self._ask(arguments)
        try:
            if data["resultType"] != "streams":
                raise QueryRefused(f'{self._where}, query {query}: it counts lines; give a selector like {{app=~".+"}}')
            found = []
            for each in data["result"]:
                component, stream = component_of_labels(each["stream"]), str(sorted(each["stream"].items()))
                found += [(int(value[0]), component, stream, str(value[1])) for value in each["values"]]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise SourceUnreachable(f"{self._where}: it sent no answer of Loki's; is the URL right?") from None
        return sorted(found)

    @property
    def _where(self) -> str:
        return f"Loki at {self.url}"

    def _ask(self, arguments: dict[str, Any]) -> Any:
        """The `data` of an answer, after retries."""
        for attempt in range(self.retries + 1):
            try:
                return self._once(arguments)
            except SourceUnreachable as error:
                if isinstance(error, QueryRefused) or attempt == self.retries:
                    raise
                self.sleep(BACKOFF_S * 2**attempt)
        raise AssertionError("unreachable")

    def _once(self, arguments: dict[str, Any]) -> Any:
        url = f"{self.url.rstrip('/')}/loki/api/v1/query_range"
        try:
            answer = httpx.get(url, params=arguments, timeout=self.timeout_s)
        except httpx.TimeoutException:
            message = f"{self._where}: no answer in {self.timeout_s:g} s; raise timeout_s in [sources]"
            raise SourceUnreachable(message) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise SourceUnreachable(f"{self._where}: {reason}; is it running, is the URL right?") from None
        if answer.status_code in RETRIED:
            raise SourceUnreachable(f"{self._where}: it answered {answer.status_code}; it is overloaded or not up yet")
        if answer.status_code != httpx.codes.OK:
            reason = " ".join(answer.text.split())[:300] or f"HTTP {answer.status_code}"
            raise QueryRefused(f"{self._where}, query {arguments['query']}: {reason}")
        try:
            return answer.json()["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise SourceUnreachable(f"{self._where}: it sent no JSON answer; is the URL right?") from None
