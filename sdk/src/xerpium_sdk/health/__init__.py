"""How a service is: checks, their report, and what the heartbeat tells the hub of it."""

from xerpium_sdk.health._monitor import CheckFunction, CheckReport, CheckResult, Monitor, Report
from xerpium_sdk.health.checker import HealthChecker

__all__ = ["CheckFunction", "CheckReport", "CheckResult", "HealthChecker", "Monitor", "Report"]
