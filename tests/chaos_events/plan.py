"""What is done to the bus, and when, as a seed decides. Pure: it draws, and `storm` does."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CONSUMERS = ("ordered", "shared", "marked", "bulk", "effects")
PUBLISHERS = ("single", "many", "async", "outbox", "service", "rest", "raw", "junk")
HUB = ("web", "keeper", "service-relay", "relay", "journal")
FREEZE_SECONDS = (0.3, 9.0)
"""Some are shorter than a lease, some longer."""
ENGINE_FREEZE_SECONDS = (0.2, 4.0)
REFUSE_SECONDS = (0.1, 3.0)
WIRE_SECONDS = (0.2, 6.0)
FUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Fault:
    """One thing that is done.

    Attributes:
        deed: ``kill``, ``restart``, ``freeze``, ``kill-session``, or what happens on the wire: ``cut``, ``cut-within``,
            ``stall``, ``half-close``, ``swallow``, ``desert``, ``refuse``.
        target: a role, or ``wire``.
        copy: a number that chooses among the actors of the role.
        seconds: how long it lasts, for what lasts.
        share: the share of connections that it happens to.
        seed: what else is left to chance.
    """

    deed: str
    target: str
    copy: int = 0
    seconds: float = 0.0
    share: float = 1.0
    seed: int = 0

    @property
    def kills(self) -> bool:
        """Whether a process is killed."""
        return self.deed.startswith("kill")

    def __str__(self) -> str:
        lasting = f" {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.deed} {self.target}{lasting}"


def _kill(role: str) -> "Draw":
    return lambda rng: Fault("kill", role, rng.randrange(100))


def _restart(role: str) -> "Draw":
    return lambda rng: Fault("restart", role, rng.randrange(100))


def _freeze(role: str, seconds: tuple[float, float] = FREEZE_SECONDS) -> "Draw":
    return lambda rng: Fault("freeze", role, rng.randrange(100), rng.uniform(*seconds))


def _wire(deed: str, seconds: tuple[float, float] = (0.0, 0.0)) -> "Draw":
    return lambda rng: Fault(deed, "wire", 0, rng.uniform(*seconds), rng.choice((0.1, 0.3, 1.0)), rng.randrange(2**32))


Draw = Callable[[random.Random], Fault]

WEIGHTED: tuple[tuple[float, Draw], ...] = (
    *((5.0, _kill(role)) for role in CONSUMERS),
    *((1.5, _kill(role)) for role in PUBLISHERS),
    (7.0, _kill("journal")),
    (5.0, _kill("relay")),
    (4.0, _kill("service-relay")),
    (2.0, _kill("web")),
    (1.0, _kill("keeper")),
    (6.0, _kill("redis")),
    (4.0, _kill("postgres")),
    (2.0, lambda rng: Fault("kill-session", "postgres", seed=rng.randrange(2**32))),
    *((0.6, _restart(role)) for role in (*CONSUMERS, "journal", "relay", "service-relay")),
    *((1.2, _freeze(role)) for role in (*CONSUMERS, "journal", "relay", "service-relay")),
    *((0.4, _freeze(role)) for role in PUBLISHERS),
    (1.5, _freeze("redis", ENGINE_FREEZE_SECONDS)),
    (1.5, _freeze("postgres", ENGINE_FREEZE_SECONDS)),
    (3.0, _wire("cut")),
    (7.0, _wire("cut-within", (FUSE_SECONDS, FUSE_SECONDS))),
    (3.0, _wire("stall", WIRE_SECONDS)),
    (3.0, _wire("half-close", WIRE_SECONDS)),
    (3.0, _wire("swallow", WIRE_SECONDS)),
    (3.0, _wire("desert", WIRE_SECONDS)),
    (2.0, _wire("refuse", REFUSE_SECONDS)),
)
"""How often each is drawn, and how. About two in three kill."""


def faults(seed: int) -> Iterator[Fault]:
    """Yield what is done, without end; the same seed yields the same."""
    rng = random.Random(seed)
    weights = [weight for weight, _ in WEIGHTED]
    while True:
        ((_, draw),) = rng.choices(WEIGHTED, weights)
        yield draw(rng)


def pauses(seed: int, mean_seconds: float) -> Iterator[float]:
    """Yield the pauses between faults: often short, so that one falls into another, seldom long."""
    rng = random.Random(seed + 1)
    while True:
        yield min(rng.expovariate(1 / mean_seconds), 4 * mean_seconds)


def share_of_kills() -> float:
    """Return how much of what is drawn kills."""
    kills = sum(weight for weight, draw in WEIGHTED if draw(random.Random(0)).kills)
    return kills / sum(weight for weight, _ in WEIGHTED)
