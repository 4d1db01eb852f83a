"""What ``/metrics`` says, in Prometheus's text format, of this process."""

from collections.abc import Callable, Iterable

import structlog
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# From an answer out of memory to a blocking read that waits for a minute.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.get_logger(__name__)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
_requests = Histogram(
    "xerpium_http_request_seconds",
    "How long requests took, by route, verb and status.",
    ("route", "verb", "status"),
    buckets=_BUCKETS,
    registry=registry,
)


def observe_request(*, route: str, verb: str, status: int, seconds: float) -> None:
    """Count one answered request; ``route`` is the pattern and never the path, which anybody may make up."""
    _requests.labels(route, verb if verb in _VERBS else "other", str(status)).observe(seconds)


class _Guarded(Collector):
    """Asks a collector of an app; one that fails is left out instead of taking the others with it."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the moment."""
        try:
            return list(self._collect())
        except Exception:
            _log.warning("metrics_collector_failed", exc_info=True)
            return []


def register_collector(collect: Callable[[], Iterable[Metric]]) -> None:
    """Add metrics that are made when they are asked for: ``collect`` returns ``prometheus_client`` metric families."""
    registry.register(_Guarded(collect))


def exposition() -> bytes:
    """Return all metrics as Prometheus text."""
    return generate_latest(registry)
