"""The table of what `runhub` runs."""

import signal
from pathlib import Path

from apps.core.engines import Postgres, Redis
from apps.core.supervisor import parts
from apps.core.supervisor.parts import Example, Part, Site

SITE = Site(
    base=Path("/base"),
    url="http://127.0.0.1:8000",
    database_url="postgresql://here",
    redis_url="redis://here",
    environment={
        "DATABASE_URL": "postgresql://here",
        "SECRET_KEY": "secret",
        "KEY_PEPPERS": "1:pepper",
        "REDIS_URL": "redis://here",
        "PATH": "/bin",
    },
    owner={"DATABASE_MIGRATION_URL": "postgresql://owner@here"},
    listener=7,
    web_answers=lambda: True,
    examples=(Example("product_service", 8001), Example("order_service", 8002)),
)
ENGINES = [Postgres(Path("/data/postgres"), 1, "pw"), Redis(Path("/data/redis"), 2, "pw")]


def everything() -> list[Part]:
    return [*parts.engines(ENGINES), *parts.background(SITE), parts.web(SITE), *parts.examples(SITE)]


def test_callers_stop_before_what_they_call():
    levels = {part.name: part.level for part in everything()}
    order = ["postgres", "redis", "relay", "worker", "web", "product"]
    assert [levels[name] for name in order] == list(range(6))
    assert levels["consumer"] == levels["relay"]
    assert levels["beat"] == levels["worker"]
    assert levels["order"] == levels["product"]


def test_every_part_can_be_seen_to_answer_and_says_what_to_look_at():
    for part in everything():
        assert part.answers or part.ready_line, part.name
        assert part.hint, part.name


def test_the_engines_get_time_to_close_their_files_even_when_the_supervisor_was_killed():
    postgres, redis = parts.engines(ENGINES)
    assert postgres.last_signal == postgres.stop_signal == signal.SIGINT
    assert redis.last_signal == redis.stop_signal == signal.SIGTERM
    assert all(part.last_signal == signal.SIGKILL for part in everything() if not part.is_engine)


def test_the_example_services_know_the_hub_and_none_of_its_secrets():
    product, order = parts.examples(SITE)
    assert product.environment == {
        "XERPIUM_HUB_URL": "http://127.0.0.1:8000",
        "XERPIUM_HOST": "127.0.0.1",
        "XERPIUM_PORT": "8001",
        "REDIS_URL": "redis://here",
        "PATH": "/bin",
    }
    assert order.environment["XERPIUM_PORT"] == "8002"
    assert order.cwd == Path("/base/examples")


def test_an_example_service_gets_its_own_key_and_no_other():
    product, order = parts.examples(SITE, {"product-service": "xrp_one", "order-service": "xrp_two"})
    assert [part.environment["XERPIUM_SERVICE_KEY"] for part in (product, order)] == ["xrp_one", "xrp_two"]
    assert [part.environment["XERPIUM_SERVICE_NAME"] for part in (product, order)] == [
        "product-service",
        "order-service",
    ]
    assert not any("xrp_" in text for part in (product, order) for text in part.command)
    (alone, _) = parts.examples(SITE, {"product-service": "xrp_one"})
    assert alone == product
    assert "XERPIUM_SERVICE_KEY" not in parts.examples(SITE, {"product-service": "xrp_one"})[1].environment


def test_only_the_preparation_knows_the_operators_password_and_the_owner_of_the_tables():
    prepared = parts.preparation(SITE, "pw").environment
    assert prepared["HUB_ADMIN_PASSWORD"] == "pw"
    assert prepared["DATABASE_MIGRATION_URL"] == "postgresql://owner@here"
    for part in [*everything(), *(parts.key_issue(SITE, example) for example in SITE.examples)]:
        assert not {"HUB_ADMIN_PASSWORD", "DATABASE_MIGRATION_URL"} & set(part.environment), part.name


def test_the_engines_learn_nothing_of_the_hubs_secrets(monkeypatch):
    for name in ("SECRET_KEY", "KEY_PEPPERS_FILE", "DATABASE_MIGRATION_URL", "HUB_ADMIN_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    assert not any("secret" in part.environment.values() for part in parts.engines(ENGINES))


def test_the_web_server_takes_over_the_listening_socket():
    assert parts.web(SITE).inherits == (7,)
    assert parts.web(SITE).command[-2:] == ["--fd", "7"]
