"""``xerpium doctor``: one look after the other, each of which may find nothing there to look at."""

import time
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from xerpium_sdk import __version__
from xerpium_sdk.auth import NoKey, ServiceAuthClient
from xerpium_sdk.auth._documents import KEYS_PATH, METADATA_PATH
from xerpium_sdk.auth._environment import HUB_URL, ISSUER, NAME, value
from xerpium_sdk.cli import _verdicts as verdicts
from xerpium_sdk.cli._codes import Wrong
from xerpium_sdk.cli._hub import hub_of
from xerpium_sdk.cli._ink import Inked
from xerpium_sdk.cli._looks import claims_of, installed_extras, key_settings, probe, redis_look, revision_of, skew_of
from xerpium_sdk.cli._manifest import manifest_of, tried
from xerpium_sdk.cli._plan import standing
from xerpium_sdk.cli._screen import Screen
from xerpium_sdk.cli._verdicts import Finding, KeySettings, Verdict
from xerpium_sdk.errors import HubError, HubUnavailable, NotAllowed, NotAuthenticated, NotFound, Refused
from xerpium_sdk.registry import HubClient, Retry, ServiceRecord
from xerpium_sdk.registry._view import OutOfStep
from xerpium_sdk.ui._flows import Whose, get_manifest
from xerpium_sdk.wire.credentials import TokenFault

__all__ = ["doctor"]

MOST_WRONG = 100
"""Above 125 shells have meanings of their own."""
MOST_PROBES = 10
SIGNS = {
    Verdict.RIGHT: Inked("✓ ", "green"),
    Verdict.DOUBTFUL: Inked("! ", "yellow"),
    Verdict.WRONG: Inked("✕ ", "red"),
    Verdict.SKIPPED: Inked("– ", "dim"),
}


def doctor(asked: Namespace, screen: Screen) -> int:
    """Check a service's set-up; return how much of it is wrong."""
    findings: list[Finding] = []
    for finding in _Doctor(asked).findings():
        findings.append(finding)
        if not screen.as_json:
            _show(screen, finding)
    wrong = sum(finding.verdict is Verdict.WRONG for finding in findings)
    doubtful = sum(finding.verdict is Verdict.DOUBTFUL for finding in findings)
    if screen.as_json:
        told = [
            {"check": one.check, "verdict": str(one.verdict), "says": one.says, "todo": one.todo or None}
            for one in findings
        ]
        screen.document({"wrong": wrong, "doubtful": doubtful, "findings": told})
    else:
        screen.line(Inked(_summary(wrong, doubtful), "red" if wrong else "yellow" if doubtful else "green"))
    return min(wrong, MOST_WRONG)


def _show(screen: Screen, finding: Finding) -> None:
    screen.line(SIGNS[finding.verdict], Inked(f"{finding.check:<10}", "bold"), finding.says)
    if finding.todo:
        screen.line(Inked(" " * 12 + "→ ", "dim"), finding.todo)


def _summary(wrong: int, doubtful: int) -> str:
    if not wrong and not doubtful:
        return "All is well."
    return f"{wrong} wrong, {doubtful} doubtful."


class _Doctor:
    """What is known so far; each look adds to it."""

    def __init__(self, asked: Namespace) -> None:
        self._asked = asked
        self._name = asked.name or value(NAME)
        self._url = ""
        self._is_open = False
        self._key: KeySettings = key_settings(self._name)
        self._token = ""
        self._hub: HubClient | None = None
        self._record: ServiceRecord | None = None

    def findings(self) -> Iterator[Finding]:
        """Look at everything, in the order in which one thing needs the other."""
        try:
            yield from self._address()
            if self._url:
                yield from self._reached()
            else:
                yield verdicts.key(self._key, is_open=True)
            yield from self._redis()
            yield verdicts.extras(installed_extras(), verifies=bool(self._token) and not self._is_open)
        finally:
            if self._hub is not None:
                self._hub.close()

    def _address(self) -> Iterator[Finding]:
        try:
            self._url = hub_of(self._asked)
        except Wrong as error:
            yield Finding("address", Verdict.WRONG, str(error), f"Set {HUB_URL} where the service runs.")

    def _reached(self) -> Iterator[Finding]:
        answered = probe(f"{self._url}/health")
        health = verdicts.hub_health(answered.probe, __version__)
        yield health
        is_hub = isinstance(answered.probe.document, dict) and "checks" in answered.probe.document
        if not is_hub:
            yield verdicts.key(self._key, is_open=True)
            yield Finding("service", Verdict.SKIPPED, "Nothing else can be looked at without the hub.")
            return
        yield verdicts.clock(skew_of(answered, time.time()))
        yield from self._access()
        yield from self._issuer()
        yield from self._service()

    def _access(self) -> Iterator[Finding]:
        status = probe(f"{self._url}/api/v1/services/?limit=1").probe.status
        self._is_open = status == 200
        yield verdicts.open_or_closed(status, has_key=self._key.is_there)
        yield verdicts.key(self._key, is_open=self._is_open)
        if self._key.is_there and self._key.name:
            yield from self._token_got()
        if self._token or self._is_open:
            auth = _auth(self._url, self._key.name) if self._token else None
            self._hub = HubClient(self._url, auth=auth, timeout=5.0, retry=Retry(attempts=1))

    def _token_got(self) -> Iterator[Finding]:
        began = time.monotonic()
        try:
            auth = _auth(self._url, self._key.name)
            self._token = auth.token(company_id=self._asked.company)
            claims = claims_of(self._token)
        except (HubError, ValueError, TokenFault) as error:
            self._token = ""
            yield Finding("token", Verdict.WRONG, f"No token is to be had: {error}", self._why_no_token(error))
            return
        seconds = claims.expires_at - claims.issued_at
        took = (time.monotonic() - began) * 1000
        yield Finding(
            "token", Verdict.RIGHT, f"The hub gave one for {self._key.name} in {took:.0f} ms, good for {seconds} s."
        )
        yield verdicts.scopes(claims.scopes, service_name=self._key.name)
        yield verdicts.companies(claims)

    def _why_no_token(self, error: Exception) -> str:
        name = self._key.name
        if isinstance(error, NotAuthenticated):
            return (
                f"The key is not one of {name}, ended or was disabled: issue another ({verdicts.ISSUE.format(name)})."
            )
        if isinstance(error, NoKey):
            return "What XERPIUM_SERVICE_KEY(_FILE) gives is no key: put the key there, and nothing else."
        if isinstance(error, NotAllowed | Refused) and self._asked.company is not None:
            return (
                f"{name} does not act for company {self._asked.company}: leave out --company, or issue a key that does."
            )
        return "Try again in a minute; if it stays, the hub's log has the reason."

    def _issuer(self) -> Iterator[Finding]:
        metadata, keys = probe(f"{self._url}{METADATA_PATH}").probe, probe(f"{self._url}{KEYS_PATH}").probe
        told = metadata.document.get("issuer") if isinstance(metadata.document, dict) else None
        listed = keys.document.get("keys") if isinstance(keys.document, dict) else None
        if not isinstance(told, str) or not isinstance(listed, list):
            said = f"{METADATA_PATH} and {KEYS_PATH} do not answer as they should ({metadata.status}, {keys.status})."
            yield Finding("issuer", Verdict.WRONG, said, "A proxy before the hub has to let /.well-known/ through.")
            return
        yield verdicts.issuer(told, value(ISSUER), len(listed), self._url)
        if self._token and installed_extras()["auth"]:
            yield from self._verified()

    def _verified(self) -> Iterator[Finding]:
        from xerpium_sdk.auth import InvalidToken, TokenVerifier

        verifier = TokenVerifier(self._url, self._key.name, auth=_auth(self._url, self._key.name))
        try:
            verifier.verify(self._token)
        except InvalidToken as error:
            said = f"The hub's own token is not good here: {error}."
            yield Finding("verifying", Verdict.WRONG, said, "Look at the clock and at XERPIUM_ISSUER.")
        except HubError as error:
            todo = "This machine has to reach the hub's keys and its list of revocations."
            yield Finding("verifying", Verdict.WRONG, f"Nobody can tell here whether a token is good: {error}", todo)
        else:
            yield Finding("verifying", Verdict.RIGHT, "Tokens can be verified here.")
        finally:
            verifier.close()

    def _service(self) -> Iterator[Finding]:
        if not self._name:
            said = "Nobody says which service this is."
            yield Finding("service", Verdict.DOUBTFUL, said, f"Set {NAME}, or name it: xerpium doctor order-service.")
            return
        if self._hub is None:
            yield Finding(
                "service", Verdict.SKIPPED, f"Whether {self._name} is registered cannot be asked without a token."
            )
            return
        try:
            self._record = self._hub.get_service(self._name)
        except NotFound:
            said = f"The hub does not know {self._name}, or it is another company's."
            yield Finding(
                "service", Verdict.WRONG, said, "Start it: it registers when it does; its log says if it may not."
            )
        except HubError as error:
            yield Finding("service", Verdict.WRONG, f"Nothing is told of {self._name}: {error}", "See above.")
        else:
            count = len(self._record.instances)
            yield Finding(
                "service",
                Verdict.RIGHT,
                f"{self._name} is registered, with {count} instance{'' if count == 1 else 's'}.",
            )
            yield from verdicts.leases(self._record, datetime.now(UTC))
            yield from self._health()
        yield from self._manifest(self._hub)

    def _health(self) -> Iterator[Finding]:
        instances = self._record.instances if self._record is not None else ()
        for one in instances[:MOST_PROBES]:
            yield verdicts.health_url(one, probe(one.health_check_url).probe, self._url)

    def _manifest(self, hub: HubClient) -> Iterator[Finding]:
        try:
            if self._asked.manifest:
                yield self._manifest_tried(hub)
            else:
                versions = [one.version for one in self._record.instances] if self._record is not None else []
                yield verdicts.manifest_there(_stored(hub, self._name, self._asked.company), versions)
        except Wrong as error:
            yield Finding("manifest", Verdict.WRONG, str(error), "Mend the file, or the way it is named.")
        except Refused as error:
            faults = "; ".join(f"{fault.pointer}: {fault.message}" for fault in error.problem.errors[:3])
            said = f"The hub refuses it: {error.problem.detail or error.problem.title} {faults}".rstrip()
            yield Finding("manifest", Verdict.WRONG, said, "xerpium manifest diff tells every fault.")
        except HubUnavailable as error:
            yield Finding("manifest", Verdict.DOUBTFUL, str(error), "Try again in a minute.")

    def _manifest_tried(self, hub: HubClient) -> Finding:
        versions = [one.version for one in self._record.instances] if self._record is not None else []
        release = versions[0] if versions else "0.0.0"
        asked = Namespace(file=self._asked.manifest, service=self._name, company=self._asked.company, release=release)
        found = tried(hub, *manifest_of(asked))
        return verdicts.manifest_tried(found.settlement.result, standing(found.settlement), is_guarded=found.is_guarded)

    def _redis(self) -> Iterator[Finding]:
        given = value("XERPIUM_REDIS_URL") or value("REDIS_URL")
        if not installed_extras()["events"]:
            if given:
                said = "The environment names a Redis, and the SDK's part for events is not installed."
                yield Finding("redis", Verdict.WRONG, said, "pip install 'xerpium-sdk[events]'")
            else:
                yield Finding("redis", Verdict.SKIPPED, "The SDK's part for events is not installed.")
            return
        yield self._redis_looked(given)

    def _redis_looked(self, given: str) -> Finding:
        from xerpium_sdk.events.connection import address_of, default_url, url_or_default

        url = given or default_url()
        try:
            place = address_of(url_or_default(url, _parsed))
        except ValueError as error:
            todo = "Write it as redis://host:6379/0."
            return Finding("redis", Verdict.WRONG, f"XERPIUM_REDIS_URL (or REDIS_URL): {error}", todo)
        look = redis_look(url, self._name)
        if look.fault:
            return verdicts.redis_away(place, look.fault, is_denied=look.is_denied, is_set=bool(given))
        knows = look.knows_service or self._record is None
        return verdicts.redis_server(place, look.revision, self._revision(), knows_service=knows)

    def _revision(self) -> int | None:
        try:
            return None if self._hub is None else revision_of(self._hub)
        except (HubError, OutOfStep):
            return None


def _auth(url: str, name: str) -> ServiceAuthClient:
    return ServiceAuthClient(url, name, timeout=5.0)


def _parsed(url: str) -> dict[str, Any]:
    from redis.connection import parse_url

    return dict(parse_url(url))


def _stored(hub: HubClient, name: str, company_id: int | None) -> Any:
    try:
        return hub.run(get_manifest(Whose(name, company_id)))
    except NotFound:
        return None
