"""What an operator may write about a broker."""

import pytest
from pydantic import ValidationError

from ingest.broker import MqttSettings
from ingest.connection import ConnectionLost, SourceRefused, VersionRefused


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "tls"),
    [
        ("mqtt://broker", "broker", 1883, None, False),
        ("mqtts://broker", "broker", 8883, None, True),
        ("mqtt://guard@broker:1", "broker", 1, "guard", False),
        ("mqtts://a%40b@[::1]:9000", "::1", 9000, "a@b", True),
        ("mqtt://broker:1884/", "broker", 1884, None, False),
    ],
)
def test_the_address_is_understood(
    url: str, host: str, port: int, user: str | None, tls: bool
) -> None:
    """Host, port, user and encryption are read off the url."""
    settings = MqttSettings(url=url)
    assert (settings.host, settings.port, settings.user, settings.tls) == (host, port, user, tls)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "broker:1883"}, "is no MQTT address"),
        ({"url": "http://broker"}, "is no MQTT address"),
        ({"url": "mqtt://"}, "is no MQTT address"),
        ({"url": "mqtt://broker:99999"}, "out of range"),
        ({"url": "mqtt://broker:0"}, "names port 0"),
        ({"url": "mqtt://a..b"}, "is no host name"),
        ({"url": "mqtt://broker/path"}, "more than user, host and port"),
        ({"url": "mqtt://guard:hunter2@broker"}, "GATEHOUSE_MQTT_PASSWORD"),
        ({"url": "mqtt://one,mqtt://"}, "is no MQTT address"),
        ({"url": "mqtts://one,mqtt://two"}, "mixes mqtt:// and mqtts://"),
        ({"url": ",".join(["mqtt://broker"] * 9)}, "more than 8 brokers"),
        ({"status_topic": "gatehouse/+"}, "is no topic to publish to"),
        ({"status_topic": "$SYS/gatehouse"}, "is no topic to publish to"),
        ({"ca_file": "ca.pem"}, "begin the url with mqtts://"),
        ({"url": "mqtts://broker", "key_file": "key.pem"}, "key_file without cert_file"),
        ({"topics": []}, "at least 1 item"),
        ({"topics": ["a/#", "a/b"]}, "overlap"),
        ({"client_id": ""}, "at least 1 character"),
        ({"receive_maximum": 0}, "greater than or equal to 1"),
        ({"session_expiry_s": 0}, "greater than or equal to 1"),
        ({"reconnect": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], said: str) -> None:
    """Each wrong setting is refused with what to do; a password in it is not repeated."""
    with pytest.raises(ValidationError) as refusal:
        MqttSettings.model_validate({"url": "mqtt://broker", **wrong})
    assert said in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_several_brokers_are_one_source() -> None:
    """Each has its own address and user, all the rest is shared."""
    settings = MqttSettings(url="mqtts://one:1, mqtts://guard@two", client_id="a/#b")
    assert [each.address for each in settings.brokers] == ["one:1", "two:8883"]
    assert [each.user for each in settings.brokers] == [None, "guard"]
    assert {each.client_id for each in settings.brokers} == {"a/#b"}
    assert settings.status_topic == "gatehouse/ab/status"


def test_the_password_does_not_show() -> None:
    """Printing the settings does not print the password."""
    settings = MqttSettings(url="mqtt://broker", password="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.secret == "hunter2"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (0x84, VersionRefused, "refuses the version of MQTT"),
        (0x85, SourceRefused, "choose another client_id than 'gatehouse'"),
        (0x86, ConnectionLost, "user 'guard': bad user name or password; check"),
        (0x87, ConnectionLost, "not authorized"),
        (0x88, ConnectionLost, "server unavailable"),
        (0xF0, ConnectionLost, "reason code 0xF0"),
    ],
)
def test_a_refusal_is_a_sentence(code: int, kind: type[Exception], said: str) -> None:
    """What waiting mends is retried, and each refusal says who was refused and why."""
    refusal = MqttSettings(url="mqtt://guard@broker").refused(code)
    assert type(refusal) is kind
    assert str(refusal).startswith("broker:1883 refuses")
    assert said in str(refusal)


def test_a_refusal_names_the_other_broker() -> None:
    """A broker that sends us elsewhere says where."""
    refusal = MqttSettings(url="mqtt://broker").refused(0x9C, "broker-2:1883")
    assert str(refusal).endswith("use another server: broker-2:1883")
