"""The server listens on loopback addresses only, and knows by which names it may be called there."""

from __future__ import annotations

import pytest

from daulat.cli.console.address import Address, AddressError, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8765", Address("127.0.0.1", 8765)),
        ("127.8.9.1:0", Address("127.8.9.1", 0)),
        ("localhost:80", Address("localhost", 80)),
        ("[::1]:8765", Address("::1", 8765)),
    ],
)
def test_a_loopback_address_is_taken(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text", ["0.0.0.0:8765", "[::]:8765", "10.0.0.1:80", "192.168.1.2:8765", "[fe80::1]:80", "[::ffff:10.0.0.1]:80"]
)
def test_an_address_that_other_machines_reach_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="loopback addresses only"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["", "8765", "127.0.0.1", ":8765", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1"]
)
def test_what_isnt_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse(text)


@pytest.mark.parametrize("host", ["example.org:80", "localhost.example.org:80", "127.1:80"])
def test_a_name_is_refused_as_it_may_resolve_to_anything(host: str) -> None:
    with pytest.raises(AddressError, match="neither an IP address nor localhost"):
        parse(host)


def test_the_url_has_brackets_around_ipv6_and_the_port_that_was_taken() -> None:
    assert parse("[::1]:0").url(8765) == "http://[::1]:8765/"
    assert parse("127.0.0.1:8765").url() == "http://127.0.0.1:8765/"


def test_the_names_of_the_host_are_those_of_this_machine_at_this_port() -> None:
    assert parse("127.0.0.2:0").hosts(9) == {"127.0.0.1:9", "127.0.0.2:9", "localhost:9", "[::1]:9"}
    assert "localhost" in parse("localhost:80").hosts(80)
