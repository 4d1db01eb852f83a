"""What the prober connects to: canaries that must see nobody, names that change, certificates, registration."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.core.outward import LOOPBACK, AddressRefused, OutwardRefused, OutwardURL, Policy, UrlRefused
from apps.registry.prober import Prober, ProbeResult, Target, check_registrable, check_registrable_blocking
from tests.registry.corpus import corners, hosts, urls
from tests.registry.peers import Peer, answer, keeps_silent, says
from tests.registry.probing import DEVELOPMENT, Run, open_sockets, run, settled

__all__ = ["run"]  # a fixture: imported to be found

PRODUCTION = Policy.from_strings(allow_cidrs=["0.0.0.0/0", "::/0"], allow_public=True)


class Names:
    """A name server: each lookup of a name takes its next answer, the last one for good. No addresses: no such name."""

    def __init__(self) -> None:
        self._answers: dict[str, list[tuple[str, ...]]] = {}
        self._hanging: set[str] = set()
        self.woken = threading.Event()
        self.lookups: list[str] = []

    def add(self, name: str, *answers: tuple[str, ...]) -> None:
        self._answers[name] = list(answers)

    def hang(self, name: str) -> None:
        self._hanging.add(name)

    def getaddrinfo(self, genuine: Callable[..., Any], host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host in self._hanging:
            self.woken.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "gave up")
        if host not in self._answers:
            return genuine(host, port, *args, **options)
        self.lookups.append(host)
        answers = self._answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for address in addresses for found in genuine(address, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    served, genuine = Names(), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: served.getaddrinfo(genuine, *args, **options))
    yield served
    served.woken.set()


async def ask(url: str, policy: Policy = DEVELOPMENT, **options: Any) -> ProbeResult:
    async with Prober(policy, **options) as prober:
        return await prober.probe(Target(1, url))


# --- Canaries -------------------------------------------------------------------------------------------------------


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A listener on every address of this machine; it has seen nobody when the test is over."""
    with socket.create_server(("0.0.0.0", 0), backlog=8) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_canary_sees_who_connects(canary: socket.socket) -> None:
    with socket.create_connection(("127.0.0.1", canary.getsockname()[1])):
        connection, _ = canary.accept()
    connection.close()


def test_production_connects_to_no_form_of_loopback(run: Run[Any], canary: socket.socket) -> None:
    port = canary.getsockname()[1]
    attacks = [url for net in LOOPBACK for ip in corners(net) for host in hosts(ip) for url in urls(host, port)]
    attacks += [f"http://localhost:{port}/", f"http://{socket.gethostname()}:{port}/", f"http://0.0.0.0:{port}/"]

    async def scenario() -> list[ProbeResult]:
        results: list[ProbeResult] = []
        async with Prober(PRODUCTION) as prober:
            await prober.probe_all((Target(pk, url) for pk, url in enumerate(attacks)), results.append)
        return results

    results = run(scenario())
    assert len(results) == len(attacks) > 500
    assert {result.status_code for result in results} == {None}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_development_connects_to_no_engine_of_the_hub(run: Run[Any], canary: socket.socket, host: str) -> None:
    port = canary.getsockname()[1]
    policy = Policy.from_strings(development=True, denied_endpoints=[("127.0.0.1", port)])

    assert run(ask(f"http://{host}:{port}/", policy)).reason.startswith("refused: ")


def test_an_address_is_judged_before_a_socket_exists(run: Run[Any], canary: socket.socket) -> None:
    def refuse(address: str, port: int) -> None:
        raise AddressRefused("no")

    async def scenario() -> ProbeResult:
        prober = Prober(DEVELOPMENT)
        prober._judge = refuse  # type: ignore[assignment]  # in place of the cached function
        async with prober:
            return await prober.probe(Target(1, f"http://127.0.0.1:{canary.getsockname()[1]}/"))

    assert run(scenario()).reason == "refused: no"


def test_a_connection_that_ended_elsewhere_is_closed_before_a_byte_is_sent(run: Run[Any]) -> None:
    judged: list[str] = []

    def refuse_the_second(address: str, port: int) -> None:
        judged.append(address)
        if len(judged) == 2:
            raise AddressRefused("elsewhere")

    async def scenario() -> None:
        prober = Prober(DEVELOPMENT)
        prober._judge = refuse_the_second  # type: ignore[assignment]  # in place of the cached function
        async with Peer(says(answer())) as peer, prober:
            before = open_sockets()
            result = await prober.probe(Target(1, peer.url))
            assert (result.ok, result.reason) == (False, "refused: elsewhere")
            await settled(before)
            assert (peer.connections, peer.requests) == (1, [])

    run(scenario())
    assert judged == ["127.0.0.1", "127.0.0.1"]


# --- Names ----------------------------------------------------------------------------------------------------------


def test_a_name_that_is_bound_anew_reaches_only_what_was_judged(run: Run[Any], names: Names) -> None:
    async def scenario() -> None:
        names.add("rebind.test", ("127.0.0.1",), ("169.254.169.254",))
        async with Peer(says(answer())) as peer, Prober(DEVELOPMENT) as prober:
            url = f"http://rebind.test:{peer.port}/health"
            first = await prober.probe(Target(1, url))
            assert first.ok
            assert names.lookups == ["rebind.test"]

            second = await prober.probe(Target(1, url))
            assert (second.ok, second.reason) == (False, "refused: 169.254.169.254 is never polled")
            assert peer.connections == 1
            assert f"Host: rebind.test:{peer.port}".encode() in peer.requests[0]

    run(scenario())


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("127.0.0.1", "10.0.0.1"), ("::ffff:127.0.0.1",), ("fe80::1",)])
def test_a_name_with_one_address_that_is_refused_is_refused(
    run: Run[Any], names: Names, canary: socket.socket, addresses: tuple[str, ...]
) -> None:
    names.add("mixed.test", addresses)

    result = run(ask(f"http://mixed.test:{canary.getsockname()[1]}/"))
    assert result.reason.startswith("refused: ")


def test_the_next_address_of_a_name_is_tried(run: Run[Any], names: Names) -> None:
    async def scenario() -> None:
        names.add("two.test", ("127.0.0.2", "127.0.0.1"))
        async with Peer(says(answer())) as peer:
            assert (await ask(f"http://two.test:{peer.port}/")).ok
        assert names.lookups == ["two.test"]

    run(scenario())


def test_a_service_is_asked_at_an_ipv6_address(run: Run[Any]) -> None:
    async def scenario() -> None:
        async with Peer(says(answer()), host="::1") as peer:
            assert (await ask(f"http://[0:0::1]:{peer.port}/")).ok
            assert f"Host: [::1]:{peer.port}".encode() in peer.requests[0]

    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    run(scenario())


def test_a_name_that_does_not_resolve_is_a_failure(run: Run[Any], names: Names) -> None:
    names.add("gone.test", ())

    assert run(ask("http://gone.test:8080/")).reason == "the name does not resolve"


def test_name_servers_that_never_answer_delay_no_other_lane(names: Names) -> None:
    """More lookups hang than there are threads; their probes still end, and names in the other lane resolve at once."""
    names.hang("hang.test")
    names.add("good.test", ("127.0.0.1",))
    came: list[ProbeResult] = []

    async def scenario() -> None:
        async with Peer(says(answer())) as peer, Prober(DEVELOPMENT) as prober:
            targets = [Target(pk, "http://hang.test:8080/", suspect=True) for pk in range(40)]
            await prober.probe_all([*targets, Target(99, f"http://good.test:{peer.port}/")], came.append)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(scenario())
    assert (came[0].instance_pk, came[0].ok) == (99, True)
    assert {result.reason for result in came[1:]} == {"the name does not resolve"}
    assert max(result.latency_ms for result in came) < 2500


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for good.test, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "good.test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("good.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "good.test.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path


@pytest.fixture
def server_names() -> list[str | None]:
    return []


@pytest.fixture
def server_tls(certificate: Path, server_names: list[str | None]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, context: server_names.append(name)
    return context


@pytest.fixture
def trust(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def test_the_name_stays_in_sni_and_certificate_while_the_address_is_pinned(
    run: Run[Any],
    names: Names,
    server_tls: ssl.SSLContext,
    server_names: list[str | None],
    trust: ssl.SSLContext,
) -> None:
    names.add("good.test", ("127.0.0.1",))
    names.add("other.test", ("127.0.0.1",))

    async def scenario() -> None:
        async with Peer(says(answer()), tls=server_tls) as peer:
            good = await ask(f"https://good.test:{peer.port}/", trust=trust)
            other = await ask(f"https://other.test:{peer.port}/", trust=trust)
            strange = await ask(f"https://good.test:{peer.port}/")
        assert good.ok
        assert other.reason == strange.reason == "the certificate is not valid for this host"
        assert len(peer.requests) == 1

    run(scenario())
    assert server_names == ["good.test", "other.test", "good.test"]


def test_a_peer_without_tls_and_one_that_never_shakes_hands_fail(run: Run[Any]) -> None:
    async def scenario() -> None:
        async with Peer(says(answer())) as plain, Peer(keeps_silent) as silent:
            assert (await ask(plain.url.replace("http", "https"), total_timeout=0.5)).status_code is None
            result = await ask(silent.url.replace("http", "https"), connect_timeout=0.2)
            assert result.reason == "no connection in time"
            assert result.latency_ms < 2500

    run(scenario())


def test_a_tls_peer_that_never_says_goodbye_holds_no_socket(
    run: Run[Any], names: Names, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    names.add("good.test", ("127.0.0.1",))
    over = threading.Event()

    def hold(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), server_tls.wrap_socket(listener.accept()[0], server_side=True):
            over.wait(10)

    async def scenario(port: int) -> None:
        async with Prober(DEVELOPMENT, total_timeout=0.5, trust=trust) as prober:
            before = open_sockets()
            result = await prober.probe(Target(1, f"https://good.test:{port}/"))
            assert result.reason == "no complete answer in time"
            await settled(before + 1)  # the peer's end of the connection

    with socket.create_server(("127.0.0.1", 0)) as listener:
        holder = threading.Thread(target=hold, args=[listener])
        holder.start()
        try:
            run(scenario(listener.getsockname()[1]))
        finally:
            over.set()
            holder.join()


# --- Registration ---------------------------------------------------------------------------------------------------


def check_asynchronously(text: str, policy: Policy) -> OutwardURL:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return loop.run(check_registrable(text, policy))


checks = pytest.mark.parametrize("check", [check_asynchronously, check_registrable_blocking], ids=["async", "blocking"])
Check = Callable[[str, Policy], OutwardURL]


@checks
def test_what_the_policy_allows_may_be_registered(check: Check, names: Names) -> None:
    names.add("good.test", ("127.0.0.1", "127.0.0.2"))

    assert check("http://good.test:8080/health", DEVELOPMENT).host == "good.test"
    assert check("http://[::1]:8080", DEVELOPMENT).url == "http://[::1]:8080/"
    assert check("http://localhost:8080/", DEVELOPMENT).port == 8080


@checks
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("http://bad.test:8080/", AddressRefused),
        ("http://mixed.test:8080/", AddressRefused),
        ("http://169.254.169.254/", AddressRefused),
        ("http://127.0.0.1:80/", AddressRefused),
        ("http://2130706433:8080/", UrlRefused),
        ("ftp://good.test/", UrlRefused),
    ],
)
def test_what_it_refuses_may_not(check: Check, names: Names, text: str, kind: type[OutwardRefused]) -> None:
    names.add("bad.test", ("10.0.0.1",))
    names.add("mixed.test", ("127.0.0.1", "10.0.0.1"))

    with pytest.raises(kind):
        check(text, DEVELOPMENT)


@checks
def test_a_name_that_does_not_resolve_yet_may_be_registered(check: Check, names: Names) -> None:
    names.add("soon.test", ())

    assert check("http://soon.test:8080/", DEVELOPMENT).host == "soon.test"


@checks
def test_a_name_server_that_never_answers_holds_a_registration_up_for_a_second(check: Check, names: Names) -> None:
    names.hang("hang.test")
    started = time.perf_counter()

    assert check("http://hang.test:8080/", DEVELOPMENT).host == "hang.test"
    assert 0.9 < time.perf_counter() - started < 2.5


def test_an_address_is_judged_even_while_all_lookups_hang(names: Names) -> None:
    names.hang("hang.test")
    clogged = [
        threading.Thread(target=check_registrable_blocking, args=["http://hang.test:8080/", DEVELOPMENT])
        for _ in range(40)
    ]
    for thread in clogged:
        thread.start()
    for check in (check_asynchronously, check_registrable_blocking):
        with pytest.raises(AddressRefused):
            check("http://169.254.169.254/", DEVELOPMENT)
    names.woken.set()
    for thread in clogged:
        thread.join()
