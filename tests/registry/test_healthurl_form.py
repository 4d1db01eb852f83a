"""The form of a health URL, and the settings that make a policy."""

from ipaddress import IPv4Network, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from apps.core.outward import (
    MAX_LENGTH,
    AddressRefused,
    Policy,
    UrlRefused,
    judge_address,
    parse_url,
)
from apps.registry.policy import REFUSED_TEXT

PRODUCTION = Policy.from_strings()
WIDE_OPEN = Policy.from_strings(allow_cidrs=("0.0.0.0/0", "::/0"), allow_public=True, development=True)


# --- The form of a URL ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port", "path_and_query", "url"),
    [
        (
            "http://product-service:8001/health",
            "product-service",
            8001,
            "/health",
            "http://product-service:8001/health",
        ),
        ("HTTPS://Shop.Example/Up?a=%2F&b", "shop.example", 443, "/Up?a=%2F&b", "https://shop.example/Up?a=%2F&b"),
        ("http://a_b:80", "a_b", 80, "/", "http://a_b/"),
        ("https://h:80?q", "h", 80, "/?q", "https://h:80/?q"),
        ("http://10.20.0.1:8080/../x//y;z=1", "10.20.0.1", 8080, "/../x//y;z=1", "http://10.20.0.1:8080/../x//y;z=1"),
        ("http://[FD00:0:0::1]:65535/", "fd00::1", 65535, "/", "http://[fd00::1]:65535/"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/", "http://xn--bcher-kva.example/"),
        ("http://127.0.0.1.example:1024/@", "127.0.0.1.example", 1024, "/@", "http://127.0.0.1.example:1024/@"),
    ],
)
def test_plain_urls_are_taken_apart(text: str, host: str, port: int, path_and_query: str, url: str) -> None:
    parsed = parse_url(text, PRODUCTION)

    assert (parsed.host, parsed.port, parsed.path_and_query, parsed.url) == (host, port, path_and_query, url)
    assert parsed.is_address is (host in ("10.20.0.1", "fd00::1"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "scheme"),
        ("ftp://h/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http\u017f://h/", "scheme"),
        ("//h/", "scheme"),
        ("http:/h/", "scheme"),
        ("http://h/ ", "white space"),
        ("http://h/\x00", "white space"),
        ("http://h/\r\nX: y", "white space"),
        ("http://h\u00a0/", "white space"),
        ("http://h\\@x/", "backslash"),
        ("http://h/#x", "fragment"),
        ("http://u@h/", "user info"),
        ("http://u:p@h:80/", "user info"),
        ("http://@h/", "user info"),
        ("http://", "plain"),
        ("http:///x", "plain"),
        ("http://h:/", "plain"),
        ("http://h:080/", "plain"),
        ("http://h:+80/", "plain"),
        ("http://h:8O/", "plain"),
        ("http://h%2eexample/", "plain"),
        ("http://bücher.example/", "plain"),
        ("http://h/ü", "plain"),
        ("http://h/%zz", "plain"),
        ("http://h/%0d%0aX:y", "plain"),
        ("http://h/%7f", "plain"),
        ("http://h/<x>", "plain"),
        ("http://[fe80::1%25eth0]/", "plain"),
        ("http://[::1", "plain"),
        ("http://::1/", "plain"),
        ("http://[v1.x]/", "plain"),
        ("http://[::g]/", "plain"),
        ("http://[10.0.0.1]/", "usual notation"),
        ("http://[1::2::3]/", "usual notation"),
        ("http://127.1/", "usual notation"),
        ("http://2130706433/", "usual notation"),
        ("http://0x7f.1/", "usual notation"),
        ("http://x.0x7f/", "usual notation"),
        ("http://0177.0.0.1/", "usual notation"),
        ("http://1.2.3.4.5/", "usual notation"),
        ("http://1.2.3.256/", "usual notation"),
        ("http://h./", "host name"),
        ("http://h../", "host name"),
        ("http://.h/", "host name"),
        ("http://a..b/", "host name"),
        ("http://-h/", "host name"),
        ("http://h-/", "host name"),
        (f"http://{'a' * 64}/", "host name"),
        (f"http://{'a.' * 126}ab/", "host name"),
        ("http://h:0/", "plain"),
        ("http://h:22/", "port 22"),
        ("http://h:81/", "port 81"),
        ("http://h:1023/", "port 1023"),
        ("http://h:65536/", "port 65536"),
        ("http://h:5432/", "HEALTH_DENY_PORTS"),
        ("http://h:6379/", "HEALTH_DENY_PORTS"),
        (f"http://h/{'a' * MAX_LENGTH}", "longer than 2048"),
    ],
)
def test_everything_else_is_refused_with_a_reason_for_the_log(text: str, reason: str) -> None:
    with pytest.raises(UrlRefused, match=reason) as caught:
        parse_url(text, WIDE_OPEN)
    assert caught.value.reason == str(caught.value)
    assert caught.value.reason not in REFUSED_TEXT


def test_a_url_of_the_greatest_length_is_accepted() -> None:
    longest = "http://h/".ljust(MAX_LENGTH, "a")
    assert parse_url(longest, PRODUCTION).url == longest


def test_ports_are_denied_as_configured() -> None:
    policy = Policy.from_strings(denied_ports=["8080", 443])

    assert parse_url("http://h:5432/", policy).port == 5432
    for text in ("http://h:8080/", "https://h/"):
        with pytest.raises(UrlRefused, match="HEALTH_DENY_PORTS"):
            parse_url(text, policy)


url_texts = st.one_of(
    st.text(),
    st.text(alphabet="htps:/@#?[]%\\.0123456789abcdefx \t\n-_。é", max_size=40).map(lambda text: "http://" + text),
    st.from_regex(r"\Ahttps?://[a-z0-9._\[\]:-]{1,20}(:[0-9]{1,5})?(/[ -~]{0,20})?\Z"),
)


@given(url_texts)
def test_the_parser_accepts_or_refuses_and_agrees_with_those_behind_it(text: str) -> None:
    """What is judged must be what is fetched: aiohttp's parser and the standard library's read the same parts."""
    try:
        url = parse_url(text, PRODUCTION)
    except UrlRefused:
        return
    behind, standard = URL(url.url, encoded=True), urlsplit(url.url)
    assert parse_url(url.url, PRODUCTION) == url
    assert (behind.scheme, behind.raw_host, behind.port, behind.raw_path_qs) == (
        *(url.scheme, url.host, url.port),
        url.path_and_query,
    )
    assert not behind.user
    assert not behind.raw_fragment
    assert (standard.hostname, standard.port or behind.port) == (url.host, url.port)


# --- Settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidr", "reason"),
    [
        ("10.0.0.0/33", "CIDR"),
        ("10.0.0.1/8", "host bits"),
        ("10.0.0.0-10.0.0.9", "CIDR"),
        ("intranet", "CIDR"),
        ("", "CIDR"),
    ],
)
def test_a_setting_that_is_no_network_fails_loudly(cidr: str, reason: str) -> None:
    for name in ("allow_cidrs", "deny_cidrs"):
        with pytest.raises(ValueError, match=reason) as caught:
            Policy.from_strings(**{name: [cidr]})  # type: ignore[arg-type]  # mypy knows no name of the keyword
        assert repr(cidr) in str(caught.value)


@pytest.mark.parametrize("cidr", ["169.254.169.254/32", "169.254.0.0/16", "fe80::/64", "224.0.0.0/8", "0.0.0.0/8"])
def test_opening_what_is_always_closed_fails_loudly(cidr: str) -> None:
    for development in (True, False):
        with pytest.raises(ValueError, match="always closed"):
            Policy.from_strings(allow_cidrs=[cidr], development=development)


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "127.0.0.1/32", "::1/128"])
def test_loopback_can_be_opened_in_development_only(cidr: str) -> None:
    assert Policy.from_strings(allow_cidrs=[cidr], development=True).allow_cidrs == (ip_network(cidr),)
    with pytest.raises(ValueError, match="always closed"):
        Policy.from_strings(allow_cidrs=[cidr])


@pytest.mark.parametrize("port", ["", "http", "-1", "0", "65536", "٢"])
def test_a_denied_port_that_is_none_fails_loudly(port: str) -> None:
    with pytest.raises(ValueError, match="not a port"):
        Policy.from_strings(denied_ports=[port])


def test_a_wide_network_may_cover_what_stays_closed() -> None:
    policy = Policy.from_strings(allow_cidrs=["0.0.0.0/0"])

    assert policy.allow_cidrs == (IPv4Network("0.0.0.0/0"),)
    judge_address("192.0.2.1", 80, policy)
    with pytest.raises(AddressRefused):
        judge_address("169.254.169.254", 80, policy)


def test_a_policy_can_be_kept_as_a_key() -> None:
    assert hash(Policy.from_strings(development=True)) == hash(Policy.from_strings(development=True))
