"""Addresses of InfluxDB, and the questions asked there."""

from base64 import b64encode

import pytest

from ingest.influxdb_address import parse_address
from ingest.influxql import quoted


@pytest.mark.parametrize(
    ("url", "base", "path", "write", "read"),
    [
        pytest.param(
            "influxdb1://db:9999/iot?rp=raw",
            "http://db:9999",
            "/write",
            {"db": "iot", "rp": "raw", "precision": "ns"},
            {"db": "iot", "rp": "raw"},
            id="1",
        ),
        pytest.param(
            "influxdb1s://db/iot",
            "https://db:8086",
            "/write",
            {"db": "iot", "precision": "ns"},
            {"db": "iot"},
            id="1-tls",
        ),
        pytest.param(
            "influxdb2://db/my%20org/iot",
            "http://db:8086",
            "/api/v2/write",
            {"org": "my org", "bucket": "iot", "precision": "ns"},
            {"db": "iot"},
            id="2",
        ),
        pytest.param(
            "influxdb2s://db/org/iot/raw",
            "https://db:8086",
            "/api/v2/write",
            {"org": "org", "bucket": "iot/raw", "precision": "ns"},
            {"db": "iot", "rp": "raw"},
            id="2-bucket-of-a-policy",
        ),
        pytest.param(
            "influxdb3://[::1]/iot",
            "http://[::1]:8181",
            "/api/v2/write",
            {"bucket": "iot", "precision": "ns"},
            {"db": "iot"},
            id="3",
        ),
    ],
)
def test_address(
    url: str, base: str, path: str, write: dict[str, str], read: dict[str, str]
) -> None:
    """Each version is asked on the paths and with the parameters it documents."""
    address = parse_address(url, None)
    assert (address.base, address.write_path) == (base, path)
    assert dict(address.write_query) == write
    assert dict(address.read_query) == read


def test_credentials() -> None:
    """1.x signs in with Basic, from the address or with the token as password; 2 and 3 by token."""
    basic = "Basic " + b64encode(b"gate:s3:cret").decode()
    assert parse_address("influxdb1://gate:s3%3Acret@db/iot", None).authorization == basic
    assert parse_address("influxdb1://gate@db/iot", "s3:cret").authorization == basic
    assert parse_address("influxdb2://db/org/iot", "t0k").authorization == "Token t0k"
    assert parse_address("influxdb3://db/iot", "t0k").authorization == "Token t0k"
    assert parse_address("influxdb1://db/iot", None).authorization == ""


def test_a_secret_is_not_shown() -> None:
    """An address in a traceback or a log keeps its secret."""
    assert "s3cret" not in repr(parse_address("influxdb1://gate:s3cret@db/iot", None))


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("http://db:8086/iot", None, "http:// is no series store"),
        ("iot", None, "is no series store"),
        ("influxdb1:///iot", None, "names no host"),
        ("influxdb1://db:99999/iot", None, "no valid port"),
        ("influxdb1://db", None, "exactly a database"),
        ("influxdb1://db/iot?precision=s", None, "unknown parameters"),
        ("influxdb1://gate@db/iot", None, "needs a password"),
        ("influxdb1://db/iot", "s3cret", "needs a user"),
        ("influxdb2://db/iot", None, "an organisation and a bucket"),
        ("influxdb2://gate:s3cret@db/org/iot", None, "take a token"),
        ("influxdb2://db/org/iot?rp=x", None, "unknown parameters"),
        ("influxdb3://db/org/iot", None, "exactly a database"),
    ],
)
def test_wrong_address_says_what_is_wrong(url: str, token: str | None, sentence: str) -> None:
    """A wrong setting is refused in one line that names the fault and never the secret."""
    with pytest.raises(ValueError, match=sentence) as refusal:
        parse_address(url, token)
    assert "s3cret" not in str(refusal.value)


def test_literals_are_quoted() -> None:
    """A device's name cannot end the literal it stands in."""
    assert quoted("it's \\ 'x'") == r"'it\'s \\ \'x\''"
