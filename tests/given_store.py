"""A real InfluxDB of somebody's, named by environment variables: a database of its own a test.

Its token, or on 1.x its user, must be allowed to make and delete databases. Nothing else in it is
touched.

Source: InfluxDB 1.8 "Manage your database using InfluxQL"; 2.7 API reference, "Buckets"; 3 Core
API reference, "Create a database", "Delete a database".
"""

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from influxdb_client import InfluxDBClient

from ingest.influxdb_address import Address, parse_address

URL = os.environ.get("GATEHOUSE_TEST_SERIES_URL", "")
"""As GATEHOUSE_SERIES_URL; the database or bucket in it need not exist."""
TOKEN = os.environ.get("GATEHOUSE_TEST_SERIES_TOKEN") or None
_PATIENCE_S = 30.0


@contextmanager
def given_database(name: str) -> Iterator[str]:
    """Make a database there, give its address, and delete it afterwards."""
    parts = urllib.parse.urlsplit(URL)
    path = "/".join([*parts.path.split("/")[:-1], name])
    address = parse_address(URL, TOKEN)
    with _bucket(address, name) if address.version == 2 else _database(address, name):
        yield parts._replace(path=path, query="").geturl()


@contextmanager
def _bucket(address: Address, name: str) -> Iterator[None]:
    organisation = dict(address.write_query)["org"]
    with InfluxDBClient(address.base, TOKEN, org=organisation) as client:
        buckets = client.buckets_api()
        made = buckets.create_bucket(bucket_name=name, org=organisation)
        try:
            yield
        finally:
            buckets.delete_bucket(made)


@contextmanager
def _database(address: Address, name: str) -> Iterator[None]:
    if address.version == 1:
        _ask(address, "POST", "/query", q=f'CREATE DATABASE "{name}"')
    else:
        _ask(address, "POST", "/api/v3/configure/database", json.dumps({"db": name}))
    try:
        yield
    finally:
        if address.version == 1:
            _ask(address, "POST", "/query", q=f'DROP DATABASE "{name}"')
        else:
            _ask(address, "DELETE", "/api/v3/configure/database", db=name)


def _ask(address: Address, method: str, path: str, content: str = "", **query: str) -> None:
    request = urllib.request.Request(
        f"{address.base}{path}?{urllib.parse.urlencode(query)}",
        content.encode(),
        {"Authorization": address.authorization, "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
        said = answer.read()
    assert b'"error"' not in said, said  # InfluxQL's come with 200.
