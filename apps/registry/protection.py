"""Protection mode: when the hub should doubt its own network rather than all those services (contract, "Registry").

When many leases run out or many polls fail at the same time, the fault is more likely on the hub's side; then nothing
expires and no poll takes anything down. Eureka's self-preservation has the same aim and is feared because it may never
end. This one ends when things have looked well for ten seconds, or after ``max_seconds``: then the losses are real.
"""

from dataclasses import dataclass, replace

__all__ = ["CALM_SECONDS", "FEWEST", "LeaseSweep", "PollSweep", "ProtectionState", "Transition", "decide"]

FEWEST = 5
"""Losses below this number are never the hub's fault, whatever their share."""
CALM_SECONDS = 10.0
"""How long it must look well before protection ends, so that it does not flicker at the threshold."""


@dataclass(frozen=True, slots=True)
class LeaseSweep:
    """One run of the expiry task.

    ``lost``: leases that have run out while their instance is not marked stale yet. ``total``: the leases of all
    instances that are neither stale nor deregistered, the lost ones included.
    """

    lost: int
    total: int

    @property
    def fails(self) -> bool:
        """More than 40 %, and at least five."""
        return self.lost >= FEWEST and self.lost * 5 > self.total * 2

    def __str__(self) -> str:
        return f"{self.lost} of {self.total} leases ran out at once"


@dataclass(frozen=True, slots=True)
class PollSweep:
    """One round of polls: the latest outcome of each instance that was polled within the last ``seconds``.

    Instances that polls have taken down already do not count, neither as ``failed`` nor in ``total``. ``seconds`` is
    the interval between two polls of one instance, with its jitter.
    """

    failed: int
    total: int
    seconds: float

    @property
    def fails(self) -> bool:
        """More than half, and at least five."""
        return self.failed >= FEWEST and self.failed * 2 > self.total

    def __str__(self) -> str:
        return f"{self.failed} of {self.total} polls failed within {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionState:
    """What has to be remembered between two decisions. Times are Unix seconds."""

    since: float | None = None
    """When protection began; None while it is off."""
    reason: str = ""
    calm_since: float | None = None
    """Since when neither leases nor polls have given cause, while it is on."""
    losses_accepted: bool = False
    """It ended by its time limit, and what caused it still lasts: that alone does not begin it again."""

    @property
    def active(self) -> bool:
        """Whether nothing may expire and no poll may take anything down."""
        return self.since is not None


@dataclass(frozen=True, slots=True)
class Transition:
    """Protection was entered or left, and why, in words for the operator."""

    entered: bool
    reason: str


def decide(
    state: ProtectionState, now: float, leases: LeaseSweep, polls: PollSweep, max_seconds: float
) -> tuple[ProtectionState, Transition | None]:
    """Return the state after this sweep, and the transition if it was entered or left.

    Args:
        state: the state that the decision before returned.
        now: the time of the sweep, Unix seconds.
        leases: what the expiry task found; decide before it marks anything.
        polls: what the last round of polls brought.
        max_seconds: how long protection may last.
    """
    causes = [str(sweep) for sweep in (leases, polls) if sweep.fails]
    if state.since is None:
        return _while_off(state, now, causes)
    return _while_on(state, state.since, now, causes, max_seconds)


def _while_off(state: ProtectionState, now: float, causes: list[str]) -> tuple[ProtectionState, Transition | None]:
    if not causes:
        return ProtectionState(), None
    if state.losses_accepted:
        return state, None
    reason = "; ".join(causes)
    return ProtectionState(since=now, reason=reason), Transition(entered=True, reason=reason)


def _while_on(
    state: ProtectionState, since: float, now: float, causes: list[str], max_seconds: float
) -> tuple[ProtectionState, Transition | None]:
    if causes and now - since >= max_seconds:
        reason = f"it has lasted {now - since:.0f} s: the losses are taken as real ({'; '.join(causes)})"
        return ProtectionState(losses_accepted=True), Transition(entered=False, reason=reason)
    if causes:
        return replace(state, calm_since=None), None
    calm_since = now if state.calm_since is None else state.calm_since
    if now - calm_since < CALM_SECONDS:
        return replace(state, calm_since=calm_since), None
    reason = f"for {CALM_SECONDS:.0f} s neither leases nor polls were lost together"
    return ProtectionState(), Transition(entered=False, reason=reason)
