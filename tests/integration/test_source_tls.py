"""TLS: the broker's certificate, its name and ours, on a real mosquitto."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.mqtt_source import Version
from ingest.publisher import Publisher
from tests.intake import VERSIONS, Intake, numbered
from tests.servers import Mosquitto, eventually

pytestmark = [
    pytest.mark.parametrize("version", VERSIONS, ids=["mqtt5", "mqtt311"]),
    # Paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Certificates:
    """An authority, a broker called localhost and a client, all valid for a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
            "-subj /CN=authority -keyout ca.key -out ca.pem"
        )
        self._issue("broker", "subjectAltName=DNS:localhost")
        self._issue("client", "subjectAltName=DNS:client")
        self._issue("expired", "subjectAltName=DNS:localhost", days=-1)

    def _issue(self, name: str, extension: str, *, days: int = 1) -> None:
        (self.folder / f"{name}.ext").write_text(extension)
        self._openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
            f"-subj /CN={name} -keyout {name}.key -out {name}.csr"
        )
        self._openssl(
            f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} "
            f"-extfile {name}.ext -out {name}.pem"
        )

    def _openssl(self, arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of certificates, made once."""
    return Certificates(tmp_path_factory.mktemp("certificates")).folder


@pytest.fixture
def secure(tmp_path: Path, certificates: Path, program) -> Iterator[Mosquitto]:  # type: ignore[no-untyped-def]
    """A mosquitto that wants certificates and is called localhost."""
    program("mosquitto")
    broker = Mosquitto(
        tmp_path / "secure",
        extra=f"cafile {certificates}/ca.pem\ncertfile {certificates}/broker.pem\n"
        f"keyfile {certificates}/broker.key\nrequire_certificate true",
    ).start()
    yield broker
    broker.stop()


def ours(folder: Path) -> dict[str, Path]:
    return {
        "ca_file": folder / "ca.pem",
        "cert_file": folder / "client.pem",
        "key_file": folder / "client.key",
    }


async def test_messages_arrive_encrypted(
    secure: Mosquitto, certificates: Path, version: Version
) -> None:
    """With the right certificates on both sides messages flow, small and large."""
    url = f"mqtts://localhost:{secure.port}"
    large = bytes(300_000)
    async with (
        Intake(url, version, **ours(certificates)) as intake,
        Publisher(intake.settings) as publisher,
    ):
        intake.acking = True
        await intake.connected()
        for payload in [*numbered(300), large, b"last"]:
            await publisher.publish("gate/1", payload)
        await intake.sees(b"last")
    assert intake.payloads == [*numbered(300), large, b"last"]


async def test_another_name_is_refused(
    secure: Mosquitto, certificates: Path, version: Version
) -> None:
    """A certificate for another host is not trusted, and the sentence says so."""
    url = f"mqtts://127.0.0.1:{secure.port}"
    async with Intake(url, version, **ours(certificates)) as intake:
        await eventually(lambda: "its certificate is not trusted" in intake.status.problem)
        assert "IP address mismatch" in intake.status.problem


async def test_an_unknown_authority_is_refused(secure: Mosquitto, version: Version) -> None:
    """A certificate that nobody we trust has signed is refused."""
    async with Intake(f"mqtts://localhost:{secure.port}", version) as intake:
        await eventually(lambda: "its certificate is not trusted" in intake.status.problem)


async def test_an_expired_certificate_is_refused(
    secure: Mosquitto, certificates: Path, version: Version
) -> None:
    """An expired certificate is not trusted; the sentence says so until it is renewed."""
    config = secure.config.read_text()
    secure.stop()
    secure.config.write_text(
        config.replace("broker.pem", "expired.pem").replace("broker.key", "expired.key")
    )
    secure.start()
    url = f"mqtts://localhost:{secure.port}"
    async with Intake(url, version, **ours(certificates)) as intake:
        await eventually(lambda: "certificate has expired" in intake.status.problem)
        assert not intake.status.connected
        secure.stop()
        secure.config.write_text(config)
        secure.start()
        await intake.connected()
        assert intake.status.problem == ""


async def test_a_missing_file_is_said(
    secure: Mosquitto, certificates: Path, version: Version
) -> None:
    """Certificate files that cannot be read are named as the problem."""
    files = {**ours(certificates), "ca_file": certificates / "missing.pem"}
    async with Intake(f"mqtts://localhost:{secure.port}", version, **files) as intake:
        await eventually(lambda: "certificate files cannot be used" in intake.status.problem)


async def test_a_missing_client_certificate_is_said(
    secure: Mosquitto, certificates: Path, version: Version
) -> None:
    """A broker that wants our certificate and gets none is not connected to."""
    url = f"mqtts://localhost:{secure.port}"
    async with Intake(url, version, ca_file=certificates / "ca.pem") as intake:
        await eventually(lambda: intake.status.problem.startswith(("localhost", "cannot connect")))
        assert not intake.status.connected


async def test_a_record_of_many_messages_is_read_whole(
    certificates: Path, version: Version
) -> None:
    """Messages that share one TLS record all arrive, though the socket announces only the first.

    A stand-in for the broker, because mosquitto writes a record for each message.
    """
    welcome, granted, message = {
        "5": (b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01", b"\x30\x05\x00\x01a\x00x"),
        "3.1.1": (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01", b"\x30\x04\x00\x01ax"),
    }[version.protocol]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (welcome, granted + message * 100):
            await reader.read(65_536)
            writer.write(answer)
        await reader.read()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "broker.pem", certificates / "broker.key")
    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    url = f"mqtts://localhost:{server.sockets[0].getsockname()[1]}"
    async with server, Intake(url, version, ca_file=certificates / "ca.pem") as intake:
        await intake.receives(100)
