"""Addresses of InfluxDB 1.x, 2.x and 3 Core, and the requests each of them understands.

All three answer InfluxQL on ``/query``. Lines go to ``/write`` on 1.x (``/api/v2/write`` is
missing before 1.8) and to ``/api/v2/write`` on 2.x and 3.

Source: InfluxDB 1.8 API reference; InfluxDB 2.7 documentation, "InfluxDB 1.x compatibility API"
(a bucket ``b`` is database ``b``, ``b/r`` its retention policy ``r``); InfluxDB 3 Core
documentation, "Use compatibility APIs".
"""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

GRAMMAR = (
    "write influxdb1://user@host:8086/database, influxdb2://host:8086/org/bucket or "
    "influxdb3://host:8181/database, with an s (influxdb2s://) for TLS"
)
_PORTS = {1: 8086, 2: 8086, 3: 8181}


@dataclass(frozen=True, slots=True)
class Address:
    """Where one InfluxDB is and how it wants to be asked.

    Attributes:
        version: 1, 2 or 3.
        base: Scheme, host and port.
        database: As messages and people call it: a database, or a bucket.
        write_path: Path that takes lines.
        write_query: Parameters of a write, without secrets.
        read_query: Parameters of a query, without secrets.
        authorization: Value of the header; empty for none. Secret.
    """

    version: int
    base: str
    database: str
    write_path: str
    write_query: tuple[tuple[str, str], ...]
    read_query: tuple[tuple[str, str], ...]
    authorization: str = field(default="", repr=False)


def parse_address(url: str, token: str | None) -> Address:
    """Read an address of the settings.

    Args:
        url: See GRAMMAR.
        token: An API token; on 1.x the password of the address's user.

    Raises:
        ValueError: What is wrong with the address, without any secret in it.
    """
    parts = urlsplit(url)
    version, tls = _version(parts.scheme)
    try:
        host, port = parts.hostname, parts.port or _PORTS[version]
    except ValueError as error:
        raise ValueError(f"the series address has no valid port; {GRAMMAR}") from error
    if not host:
        raise ValueError(f"the series address names no host; {GRAMMAR}")
    names = [unquote(name) for name in parts.path.split("/") if name]
    options = parse_qs(parts.query)
    if set(options) - ({"rp"} if version == 1 else set()):
        raise ValueError(f"the series address has unknown parameters after '?'; {GRAMMAR}")
    shown = f"[{host}]" if ":" in host else host
    base = f"{'https' if tls else 'http'}://{shown}:{port}"
    if version == 1:
        return _version_1(base, names, options.get("rp", [""])[0], _basic(parts, token))
    if parts.username or parts.password:
        raise ValueError("InfluxDB 2 and 3 take a token (GATEHOUSE_SERIES_TOKEN), not a user")
    authorization = f"Token {token}" if token else ""
    if version == 2:
        return _version_2(base, names, authorization)
    return _version_3(base, names, authorization)


def _version(scheme: str) -> tuple[int, bool]:
    for version in _PORTS:
        if scheme in (f"influxdb{version}", f"influxdb{version}s"):
            return version, scheme.endswith("s")
    raise ValueError(f"{scheme or 'nothing'}:// is no series store; {GRAMMAR}")


def _basic(parts: SplitResult, token: str | None) -> str:
    user, password = unquote(parts.username or ""), unquote(parts.password or "") or token
    if not user and not password:
        return ""
    if not user or not password:
        missing = "a password (GATEHOUSE_SERIES_TOKEN)" if user else "a user (influxdb1://user@…)"
        raise ValueError(f"signing in to InfluxDB 1.x needs {missing} as well")
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _version_1(base: str, names: list[str], policy: str, authorization: str) -> Address:
    if len(names) != 1:
        raise ValueError(f"InfluxDB 1.x needs exactly a database; {GRAMMAR}")
    where = (("db", names[0]), *((("rp", policy),) if policy else ()))
    return Address(
        version=1,
        base=base,
        database=names[0],
        write_path="/write",
        write_query=(*where, ("precision", "ns")),
        read_query=where,
        authorization=authorization,
    )


def _version_2(base: str, names: list[str], authorization: str) -> Address:
    if len(names) not in (2, 3):  # A bucket may be called database/policy.
        raise ValueError(f"InfluxDB 2.x needs an organisation and a bucket; {GRAMMAR}")
    organisation, bucket = names[0], "/".join(names[1:])
    database, _, policy = bucket.partition("/")
    return Address(
        version=2,
        base=base,
        database=bucket,
        write_path="/api/v2/write",
        write_query=(("org", organisation), ("bucket", bucket), ("precision", "ns")),
        read_query=(("db", database), *((("rp", policy),) if policy else ())),
        authorization=authorization,
    )


def _version_3(base: str, names: list[str], authorization: str) -> Address:
    if len(names) != 1:
        raise ValueError(f"InfluxDB 3 needs exactly a database; {GRAMMAR}")
    return Address(
        version=3,
        base=base,
        database=names[0],
        write_path="/api/v2/write",
        write_query=(("bucket", names[0]), ("precision", "ns")),
        read_query=(("db", names[0]),),
        authorization=authorization,
    )
