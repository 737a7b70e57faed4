"""What an address in the settings may look like."""

import pytest

from gatehouse.settings import Settings, SettingsError, load

WRONG = (
    ("DATABASE_URL", "mysql://user@host/gatehouse"),
    ("DATABASE_URL", "postgres://user:hunter2@host/gatehouse"),
    ("DATABASE_URL", "postgresql://user:hunter2@host:port/gatehouse"),
    ("DATABASE_URL", "postgresql://user:hunter2@host"),
    ("DATABASE_URL", "state.db"),
    ("CONSOLE_BIND", "8080"),
    ("CONSOLE_BIND", "127.0.0.1:"),
    ("CONSOLE_BIND", "127.0.0.1:0"),
    ("CONSOLE_BIND", "127.0.0.1:65536"),
    ("CONSOLE_BIND", "::1:8080"),
    ("CONSOLE_URL", "gatehouse.example"),
    ("CONSOLE_URL", "javascript:alert(1)"),
    ("CONSOLE_URL", "https://"),
)


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_address_is_named_and_not_repeated(name: str, text: str) -> None:
    """The line says which variable and how to write it; a password in it is not shown."""
    with pytest.raises(SettingsError, match=f"^GATEHOUSE_{name}: is no .*; write it like ") as held:
        load({f"GATEHOUSE_{name}": text})
    assert "hunter2" not in str(held.value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:65535", "localhost", 65535),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_the_console_listens_where_it_is_told(text: str, host: str, port: int) -> None:
    """An address of IPv6 is written in brackets, which a socket does not take."""
    settings = Settings(console_bind=text)
    assert (settings.console_host, settings.console_port) == (host, port)


def test_right_addresses_are_kept_as_they_are() -> None:
    """What is right is not changed."""
    environment = {
        "GATEHOUSE_DATABASE_URL": "postgresql://user:p%40ss@host:5433/gatehouse?sslmode=require",
        "GATEHOUSE_CONSOLE_URL": "https://gatehouse.example/",
    }
    settings = load(environment)
    assert settings.database_url == environment["GATEHOUSE_DATABASE_URL"]
    assert settings.page_url == "https://gatehouse.example"
