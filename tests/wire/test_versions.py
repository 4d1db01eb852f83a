"""SemVer's own examples, and what node-semver 7.8 answered to the same questions."""

from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xerpium_sdk.wire.versions import (
    MAX_LENGTH,
    VersionError,
    VersionRangeError,
    is_version,
    parse_version,
    satisfies,
)

numbers = st.integers(0, 12)
identifiers = st.from_regex(r"(0|[1-9][0-9]?|[a-z-]{1,3})", fullmatch=True)
releases = st.builds("{}.{}.{}".format, numbers, numbers, numbers)
versions = st.builds(
    lambda release, parts: "-".join([release, ".".join(parts)]) if parts else release,
    releases,
    st.lists(identifiers, max_size=3),
)


class TestVersion:
    @pytest.mark.parametrize(
        "text",
        [
            "0.0.0",
            "1.4.2",
            "10.20.30",
            "1.0.0-alpha",
            "1.0.0-0.3.7",
            "1.0.0-x-y-z.--",
            "1.0.0+001",
            "1.0.0-beta+exp.sha-5114f85",
        ],
    )
    def test_it_knows_one(self, text: str) -> None:
        assert is_version(text)

    @pytest.mark.parametrize(
        "text",
        [
            "", "1", "1.2", "v1.2.3", "=1.2.3", "01.2.3", "1.02.3", "1.2.3-01", "1.2.3-", "1.2.3-a..b", "1.2.3+",
            "1.2.3.4", " 1.2.3", "1.2.3 ", "1.2.3\n", "١.2.3", "1.2.3-ü", "a.b.c", "1.2.3-" + "a" * MAX_LENGTH,
        ],
    )  # fmt: skip
    def test_it_knows_none(self, text: str) -> None:
        assert not is_version(text)
        with pytest.raises(VersionError, match="no version of SemVer"):
            parse_version(text)

    def test_precedence_is_that_of_the_specification(self) -> None:
        prereleases = [f"1.0.0-{end}" for end in ("alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11")]
        ordered = [*prereleases, "1.0.0", "2.0.0", "2.1.0", "2.1.1"]
        assert sorted(ordered, key=parse_version) == ordered
        assert sorted(ordered[::-1], key=parse_version) == ordered  # noqa: C415 - sorting is stable, so equals would show

    def test_build_metadata_does_not_count(self) -> None:
        assert parse_version("1.0.0+a") == parse_version("1.0.0+b")


# (range, versions in it, versions not in it), each answer checked against node-semver 7.8.5.
NPM = [
    ("1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.3-beta"),
    ("=1.2.3", "1.2.3", "1.2.4"),
    ("=v1.2.3", "1.2.3", "1.2.2"),
    ("1.2.3-beta", "1.2.3-beta", "1.2.3 1.2.3-alpha"),
    ("", "0.0.0 9.9.9", "1.0.0-alpha"),
    ("*", "0.0.0 9.9.9", "1.0.0-alpha"),
    ("1", "1.0.0 1.9.9", "2.0.0 0.9.9 1.0.0-rc.1 2.0.0-rc.1"),
    ("1.x", "1.0.0 1.9.9", "2.0.0"),
    ("1.2", "1.2.0 1.2.9", "1.3.0 1.2.1-a"),
    ("1.2.*", "1.2.0 1.2.9", "1.3.0"),
    ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-alpha 1.3.0-beta"),
    ("^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0"),
    ("^1", "1.0.0 1.9.0", "2.0.0"),
    ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
    ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
    ("^0.0", "0.0.0 0.0.9", "0.1.0"),
    ("^0", "0.0.0 0.9.9", "1.0.0"),
    ("^0.0.0", "0.0.0", "0.0.1"),
    ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.2.3 1.9.0", "1.2.3-beta.1 1.2.4-beta.2 2.0.0-alpha"),
    ("^0.0.3-beta", "0.0.3-beta 0.0.3-pr.2 0.0.3", "0.0.4"),
    ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
    ("~1.2", "1.2.0 1.2.9", "1.3.0"),
    ("~1", "1.0.0 1.9.9", "2.0.0"),
    ("~>1.2", "1.2.3", "1.3.0"),
    ("~1.2.0-beta.1", "1.2.0-beta.1 1.2.0 1.2.5", "1.3.0 1.2.1-beta.1"),
    (">1.2.3", "1.2.4 2.0.0", "1.2.3 2.0.0-a"),
    (">1.2", "1.3.0", "1.2.9 1.2.0"),
    (">1", "2.0.0", "1.9.9"),
    (">=1.2", "1.2.0", "1.1.9"),
    (">= 1.2.3", "1.2.3", "1.2.2"),
    ("^ 1.2", "1.3.0", "2.0.0"),
    ("<1.2", "1.1.9", "1.2.0 1.2.0-alpha"),
    ("<=1.2", "1.2.9", "1.3.0"),
    ("<2.0.0", "1.9.9", "2.0.0 2.0.0-alpha"),
    ("<2.0.0-beta", "1.9.9 2.0.0-alpha", "2.0.0-beta 2.0.0"),
    ("<=2.0.0-beta", "2.0.0-beta", "2.0.0"),
    (">1.2.3-alpha <2.0.0-beta", "1.2.3-beta 1.2.3 2.0.0-alpha", "2.0.0 1.5.0-alpha"),
    ("<*", "", "0.0.0 1.0.0"),
    (">*", "", "1.0.0"),
    ("<=*", "1.0.0", "1.0.0-a"),
    (">=1.2.0 <1.4.0", "1.2.0 1.3.9", "1.4.0"),
    (">=1.2.0   <1.4.0", "1.3.0", "1.4.0"),
    ("1.2.3 - 2.3.4", "1.2.3 2.3.4", "2.3.5 1.2.2"),
    ("1.2 - 2.3", "1.2.0 2.3.9", "2.4.0"),
    ("1 - 2", "1.0.0 2.9.9", "3.0.0"),
    ("* - 2", "0.0.1 2.9.9", "3.0.0"),
    ("1.2.3-a - 2.0.0", "1.2.3-a 2.0.0", "1.2.4-a"),
    ("1.2.7 || >=1.2.9 <2.0.0", "1.2.7 1.2.9 1.4.6", "1.2.8 2.0.0"),
    ("^1 || ^3", "1.5.0 3.1.0", "2.0.0"),
    ("1||2", "1.0.0 2.0.0", "3.0.0"),
    (" ^1.2 ", "1.3.0", "2.0.0"),
]  # fmt: skip


class TestRange:
    @pytest.mark.parametrize(("wanted", "inside", "outside"), NPM)
    def test_it_means_what_npm_means(self, wanted: str, inside: str, outside: str) -> None:
        assert [version for version in inside.split() if not satisfies(version, wanted)] == []
        assert [version for version in outside.split() if satisfies(version, wanted)] == []

    @pytest.mark.parametrize(
        "wanted",
        [
            "latest",
            "1.2.3.4",
            "01.2",
            "1.2-beta",
            ">",
            "^",
            "-",
            "1 -",
            "- 1",
            "1 - 2 - 3",
            "==1",
            "^=1",
            "1.2.3-01",
            "1,2",
            "|",
            "١",
        ],
    )
    def test_what_is_none_is_refused(self, wanted: str) -> None:
        with pytest.raises(VersionRangeError):
            satisfies("1.0.0", wanted)

    def test_the_error_names_the_piece(self) -> None:
        with pytest.raises(VersionRangeError, match="'oops <3' is no part of a version range"):
            satisfies("1.0.0", ">=1 oops <3")

    def test_a_long_one_is_refused(self) -> None:
        with pytest.raises(VersionRangeError, match="at most 256 characters"):
            satisfies("1.0.0", "1 " * 200)

    @pytest.mark.parametrize("wanted", ["9" * 256, "1 " * 128, "v" * 256, " " * 256, "-" * 256, "|" * 256, "1 - " * 60])
    def test_none_takes_long_to_judge(self, wanted: str) -> None:
        started = process_time()
        with suppress(VersionRangeError):
            satisfies("1.0.0", wanted)
        assert process_time() - started < 0.5

    def test_what_is_no_version_is_in_none(self) -> None:
        assert not satisfies("latest", "*")

    @given(versions)
    def test_each_version_is_a_range_of_its_own(self, version: str) -> None:
        assert satisfies(version, version)
        assert satisfies(version, f">={version}")
        assert not satisfies(version, f"<{version}")

    @given(releases, releases)
    def test_signs_agree_with_the_order(self, version: str, bound: str) -> None:
        left, right = parse_version(version), parse_version(bound)
        assert satisfies(version, f"<{bound}") == (left < right)
        assert satisfies(version, f">{bound}") == (left > right)
        assert satisfies(version, f"<={bound}") == (left <= right)
        assert satisfies(version, f"{bound} - {bound}") == (left == right)

    @given(releases, releases)
    def test_a_caret_keeps_the_first_part_that_is_not_zero(self, version: str, bound: str) -> None:
        here, there = parse_version(version)[:3], parse_version(bound)[:3]
        fixed = next((index for index, part in enumerate(there) if part), 2)
        assert satisfies(version, f"^{bound}") == (here >= there and here[: fixed + 1] == there[: fixed + 1])

    @given(versions, releases, releases)
    def test_alternatives_add_up(self, version: str, one: str, other: str) -> None:
        either = satisfies(version, f"^{one}") or satisfies(version, f"~{other}")
        assert satisfies(version, f"^{one} || ~{other}") == either

    @given(versions.filter(lambda version: "-" in version))
    def test_a_prerelease_counts_only_where_one_of_its_release_is_named(self, version: str) -> None:
        assert not satisfies(version, "*")
        assert not satisfies(version, ">=0.0.0")
        assert satisfies(version, f">={version.partition('-')[0]}-0")
