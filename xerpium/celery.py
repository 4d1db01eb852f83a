"""The Celery application and the one table of periodic work.

Nothing here is the only copy of anything: each task finds its work in tables and may be lost, repeated or late. A task
that waited longer than its period is dropped (`expires`), so that a worker that comes back does not find a heap.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

app = Celery("xerpium")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse(**_: Any) -> None:
    """End the worker or beat where row-level security does not hold for the role of the hub."""
    import django

    django.setup()
    from apps.core.postgres.refusing import refuse_unfit_role

    refuse_unfit_role()


def every(seconds: float, task: str) -> dict[str, Any]:
    """Return a row of the table: ``task`` every ``seconds``, dropped when it could not start within its period."""
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 1.0), "ignore_result": True}}


app.conf.beat_schedule = {
    "registry: do due health polls": every(1, "registry.poll"),
    "registry: sweep leases": every(1, "registry.sweep"),
    "registry: copy last signs of life to PostgreSQL": every(15, "registry.flush_last_seen"),
    "registry: roll polls up by the hour": every(300, "registry.roll_up_polls"),
    "registry: forget old history and departed instances": every(3600, "registry.prune"),
    "events: forget what was relayed long ago": every(300, "events.prune_outbox"),
    "events: note how streams and groups are doing": every(15, "events.look"),
    "events: cut off what everybody is done with": every(30, "events.trim"),
    "events: make the journal's partitions of the days to come": every(3600, "events.prepare_journal"),
    "events: forget old days of the journal and old decisions": every(3600, "events.prune"),
    "menus: forget items that were taken back long ago": every(3600, "menus.purge"),
    "serviceauth: disable keys that nobody uses": every(3600, "serviceauth.disable_idle_keys"),
    "serviceauth: make the signing key that is needed next": every(60, "serviceauth.rotate_signing_keys"),
    "serviceauth: forget revocations of what has ended": every(300, "serviceauth.prune_revocations"),
    "core: forget old idempotency keys": every(3600, "core.prune_idempotency_keys"),
    "core: seal new entries of the audit": every(2, "core.seal_audit"),
    "core: recompute a piece of the audit's chain": every(120, "core.check_audit"),
    "uiregistry: forget pages and widgets that were taken back long ago": every(3600, "uiregistry.purge"),
    "uiregistry: keep what single items made of manifests": every(30, "uiregistry.keep_states"),
    "uiregistry: forget old states of manifests": every(3600, "uiregistry.thin_states"),
}
