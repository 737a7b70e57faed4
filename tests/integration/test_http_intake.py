"""Posts over real sockets, into a real journal."""

import asyncio
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from devices.credential import hash_secret
from devices.observation import Crossing, Temperature
from devices.registry import Credential, Registry
from gatehouse.doctor import Found, service
from gatehouse.settings import load
from ingest import http_connection, http_source
from ingest.http_post import BODY_BYTES
from ingest.journal_file import list_files
from ingest.message import Message
from tests.integration.test_pipeline import Reader, files_in
from tests.posting import (
    DECODER,
    FACE,
    GATE,
    HALL,
    MULTIPART,
    Intake,
    as_multipart,
    passage,
)
from tests.servers import eventually

AUTH = "Authorization: Basic Z2F0ZS0xOmEgc2VjcmV0LCBub3Qga2VwdA=="
HEAD = f"POST /intake/gate-1 HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n".encode()
ABSOLUTE = HEAD.replace(b" /intake", b" HTTP://x:8/intake")


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Gate:
    """Lets nothing into a journal until it is opened."""

    def __init__(self, intake: Intake) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._append = intake.journal.append
        intake.journal.append = self._wait  # type: ignore[method-assign]

    def open(self) -> None:
        self._open.set()

    def _wait(self, messages: Any) -> Any:
        self.reached.set()
        assert self._open.wait(20)
        return self._append(messages)


async def test_200_means_committed(tmp_path: Path) -> None:
    """As long as the journal has not committed nothing is answered; then anybody can read it."""
    intake = Intake(tmp_path)
    async with intake.running():
        gate = Gate(intake)
        posts = [asyncio.create_task(intake.post(b'{"n":%d}' % n)) for n in range(10)]
        await eventually(gate.reached.is_set)
        await eventually(lambda: intake.status.received == 10)
        assert not any(post.done() for post in posts)
        assert on_disk(intake) == 0
        gate.open()
        answers = await asyncio.gather(*posts)
        assert [answer.status_code for answer in answers] == [200] * 10
        assert on_disk(intake) == 10
        [message] = [one for one in intake.journalled() if one.payload == b'{"n":3}']
        assert (message.topic, message.source) == ("http/gate-1", "http")
        assert intake.status.acks == 10


def on_disk(intake: Intake) -> int:
    """Return how many messages another process could read from the files."""
    return sum(row.count for file in list_files(intake.folder) for row in file.rows(0))


async def test_a_journal_that_hangs_is_answered_with_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal does not wait for ever: it is told to send its post again, and both are kept."""
    monkeypatch.setattr(http_source, "COMMIT_S", 0.2)
    intake = Intake(tmp_path)
    async with intake.running():
        gate = Gate(intake)
        answer = await intake.post()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        gate.open()
        await eventually(lambda: intake.journal.head == 1)
        assert (await intake.post()).status_code == 200
        assert [one.payload for one in intake.journalled()] == [b'{"a":1}'] * 2


async def test_too_much_in_flight_is_answered_with_503(tmp_path: Path) -> None:
    """What waits for the journal is bounded: the next post is refused, and taken afterwards."""
    intake = Intake(tmp_path, in_flight_bytes=50_000)
    async with intake.running():
        gate = Gate(intake)
        first = asyncio.create_task(intake.post(b"." * 60_000))
        await eventually(gate.reached.is_set)
        refused = await intake.post(b"2")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        gate.open()
        assert (await first).status_code == 200
        await eventually(lambda: not intake.pipeline.status().paused)
        assert (await intake.post(b"2")).status_code == 200
        assert [len(one.payload) for one in intake.journalled()] == [60_000, 1]


async def test_bodies_together_have_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many terminals at once cannot fill the memory; each is told to come again."""
    monkeypatch.setattr(http_source, "BODIES_BYTES", 100_000)
    async with Intake(tmp_path).running() as intake:
        assert (await intake.post(b"." * 120_000)).status_code == 503
        assert (await intake.post(b"." * 90_000)).status_code == 200
        assert (await intake.post(b"." * 90_000)).status_code == 200, "room is given back"


async def test_a_full_journal_refuses_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminals send until they are answered 200; each event arrives, once there is room."""
    monkeypatch.setattr(http_source, "COMMIT_S", 0.2)
    intake = Intake(tmp_path, consumers=(Reader,), max_bytes=2_000_000, keep_ms=0)
    [reader] = intake.readers
    reader.held = "the store is down"
    events = [b"%03d" % number + b"." * 100_000 for number in range(30)]
    async with intake.running(), intake.client() as client:
        owed = list(events)
        while owed:
            answer = await client.post("/intake/gate-1", content=owed[0], auth=GATE)
            if answer.status_code == 200:
                owed.pop(0)
            else:
                assert answer.status_code == 503
                assert intake.pipeline.status().problem or not reader.held
                reader.held = ""
        await eventually(lambda: reader.got and reader.got[-1].payload == events[-1], seconds=60)
        assert intake.status.refused["503"] >= 1
        assert list(dict.fromkeys(one.payload for one in reader.got)) == events


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("gate-1", {"auth": GATE}),
        ("gate-1/", {"auth": GATE}),
        ("gate%2D1?x=1", {"auth": GATE}),
        ("gate-1", {"auth": None, "headers": {"authorization": f"Bearer {GATE[1]}"}}),
        ("hall-2", {"auth": HALL}),
        ("hall-2?x=1", {"auth": httpx.DigestAuth(*HALL)}),
    ],
    ids=["basic", "slash", "escaped", "bearer", "basic of digest", "digest"],
)
async def test_a_right_credential_is_let_in(tmp_path: Path, path: str, how: dict[str, Any]) -> None:
    """Basic, Bearer, and Digest where the device has it; a challenge is counted as no refusal."""
    async with Intake(tmp_path).running() as intake:
        assert (await intake.post(path=f"/intake/{path}", **how)).status_code == 200
        assert intake.status.refused == {}


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("gate-1", {"auth": None}),
        ("gate-1", {"auth": (GATE[0], "wrong")}),
        ("gate-1", {"auth": (GATE[0], "")}),
        ("gate-1", {"auth": HALL}),
        ("gate-1", {"auth": (GATE[0], HALL[1])}),
        ("gate-1", {"auth": (HALL[0], GATE[1])}),
        ("gate-9", {"auth": ("gate-9", GATE[1])}),
        ("gate-1", {"auth": httpx.DigestAuth(*GATE)}),
        ("hall-2", {"auth": httpx.DigestAuth(HALL[0], "wrong")}),
        ("gate-1", {"auth": httpx.DigestAuth(*HALL)}),
        ("gate-1", {"auth": None, "headers": {"authorization": "Bearer " + HALL[1]}}),
        ("gate-1", {"auth": None, "headers": {"authorization": "Basic %%%"}}),
        ("hall-2", {"auth": None, "headers": {"authorization": 'Digest nonce="1'}}),
        ("hall-2", {"auth": None, "headers": {"authorization": "Digest a,b=,=c"}}),
        ("gate-1", {"auth": None, "headers": {"authorization": "Nothing"}}),
    ],
)
async def test_a_wrong_credential_is_refused(
    tmp_path: Path, path: str, how: dict[str, Any]
) -> None:
    """Nothing of it is journalled, the answer says how to do it, and the log holds no secret."""
    async with Intake(tmp_path).running() as intake:
        with capture_logs() as logged:
            answer = await intake.post(path=f"/intake/{path}", **how)
            again = await intake.post(path=f"/intake/{path}", **how)
        assert (answer.status_code, again.status_code) == (401, 401)
        assert 'Basic realm="gatehouse"' in answer.headers["www-authenticate"]
        assert ("Digest" in answer.headers["www-authenticate"]) == (path == "hall-2")
        assert intake.status.received == 0
        told = [line for line in logged if line["event"] == "post_refused"]
        assert len(told) <= 1
        assert not any(secret in str(logged) for secret in (GATE[1], HALL[1], "gate-9"))


async def test_a_proof_by_digest_is_of_this_request_and_this_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for another path or with a nonce of our making only is no proof; an old one is stale."""
    async with Intake(tmp_path).running() as intake, intake.client() as client:
        proof = httpx.DigestAuth(*HALL)
        first = await client.post("/intake/hall-2", content=b"{}", auth=proof)
        assert first.status_code == 200
        used = {"authorization": first.request.headers["authorization"]}
        replies = [
            await client.post(path, content=b"{}", headers=used)
            for path in ("/intake/hall-2", "/intake/hall-2?x")
        ]
        assert [one.status_code for one in replies] == [200, 401]
        monkeypatch.setattr("ingest.http_auth.FRESH_S", -1)
        stale = await client.post("/intake/hall-2", content=b"{}", headers=used)
        assert stale.status_code == 401
        assert "stale=true" in stale.headers["www-authenticate"]
        forged = used["authorization"].replace('nonce="', 'nonce="1')
        wrong = await client.post(
            "/intake/hall-2", content=b"{}", headers={"authorization": forged}
        )
        assert "stale" not in wrong.headers["www-authenticate"]


async def test_credentials_may_change_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one is known and a revoked one refused without a restart."""
    monkeypatch.setattr(http_source, "REFRESH_S", 0.02)
    async with Intake(tmp_path).running() as intake:
        intake.registry = Registry(credentials={"gate-3": Credential(hash_secret("new"), None, 0)})

        async def is_known() -> bool:
            return (await intake.post(path="/intake/gate-3", auth=("gate-3", "new"))).is_success

        await eventually(is_known)
        assert (await intake.post()).status_code == 401


UNREADABLE = [
    (b"", {}, 400),
    (b" \r\n", {}, 400),
    (b"{}", {"content-type": "multipart/form-data"}, 400),
    (b"{}", MULTIPART, 400),
    (FACE, {"content-type": "image/jpeg"}, 415),
    (b"\x1f\x8b", {"content-encoding": "gzip"}, 415),
    (b"1" * (BODY_BYTES + 1), {}, 413),
]


@pytest.mark.parametrize(("content", "headers", "status"), UNREADABLE)
async def test_what_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes, headers: dict[str, str], status: int
) -> None:
    """The terminal sees why, nothing is journalled, and others are not disturbed."""
    async with Intake(tmp_path).running() as intake:
        answer = await intake.post(content, headers=headers)
        assert (answer.status_code, bool(answer.text)) == (status, True)
        assert intake.journal.head == 0
        assert intake.status.refused == {str(status): 1}
        assert (await intake.post()).status_code == 200


async def test_a_body_of_unknown_length_is_bounded_too(tmp_path: Path) -> None:
    """Chunks are read as far as the bound and no further."""

    async def pieces(count: int) -> Any:
        for _ in range(count):
            yield b"." * 1024 * 1024

    async with Intake(tmp_path).running() as intake, intake.client() as client:
        for count, status in ((9, 413), (1, 200)):
            answer = await client.post("/intake/gate-1", content=pieces(count), auth=GATE)
            assert answer.status_code == status
        assert [len(one.payload) for one in intake.journalled()] == [1024 * 1024]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /intake/gate-1 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"HEAD /intake/gate-1 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /intake/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST http://x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST http:///intake/gate-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (ABSOLUTE + b"Content-Length: 2\r\n\r\n{}", b"200"),
        (b"POST /intake/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /intake/%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"POST /intake/gate-1\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000, b"431"),
        (HEAD + b"Content-Length: 2\r\nA: " + b"a" * 20_000 + b"\r\n\r\n{}", b"431"),
        (b"POST /intake/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
        (HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", b"400"),
        (HEAD + b"Content-Type: ;;=;\x01\r\nContent-Length: 2\r\n\r\n{}", b"200"),
        (HEAD + b'Content-Type: multipart/x; boundary="\r\nContent-Length: 2\r\n\r\n{}', b"400"),
    ],
)
async def test_whatever_is_sent_is_answered_and_closed(
    tmp_path: Path, said: bytes, status: bytes
) -> None:
    """No bytes that a client can send end the service or go unanswered."""
    async with Intake(tmp_path).running() as intake:
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        writer.write(said)
        writer.write_eof()
        async with asyncio.timeout(20):
            heard = await reader.read()
        writer.close()
        assert heard.startswith(b"HTTP/1.1 " + status), heard
        assert (await intake.post()).status_code == 200


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"", b""),
        (b"POST /intake/gate-1 HT", b"HTTP/1.1 408"),
        (HEAD + b"Content-Length: 9\r\n\r\n{", b"HTTP/1.1 408"),
        (b"POST /intake/gate-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 408"),
    ],
    ids=["nothing", "half a head", "half a body", "half a body of nobody"],
)
async def test_a_slow_client_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, heard: bytes
) -> None:
    """It is hung up on, and meanwhile the others are served."""
    for bound in ("HEAD_S", "BODY_S", "LINGER_S"):
        monkeypatch.setattr(http_connection, bound, 0.3)
    async with Intake(tmp_path).running() as intake:
        slow = asyncio.create_task(intake.say(said))
        assert (await intake.post()).status_code == 200
        assert (await slow).startswith(heard)
        assert not heard or intake.status.refused == {"408": 1}


async def test_connections_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is told to come again, and can when another has left."""
    monkeypatch.setattr(http_source, "CONNECTIONS", 3)
    async with Intake(tmp_path).running() as intake, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(intake.client()) for _ in range(3)]
        for client in clients:
            assert (await client.post("/intake/gate-1", content=b"1", auth=GATE)).is_success
        crowded = await intake.say(b"")
        assert crowded.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 10" in crowded
        await clients[0].aclose()

        async def is_served() -> bool:
            return (await intake.post()).status_code == 200

        await eventually(is_served)
        assert (await clients[1].post("/intake/gate-1", content=b"1", auth=GATE)).is_success


async def test_a_full_intake_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the status, once in the log, and to the doctor, until there is room again."""
    monkeypatch.setattr(http_source, "CONNECTIONS", 3)
    async with Intake(tmp_path).running() as intake, AsyncExitStack() as stack:
        settings = load({"GATEHOUSE_INTAKE_BIND": f"127.0.0.1:{intake.port}"})
        for _ in range(3):
            await connect(stack, intake)
        await eventually(lambda: intake.status.problem)
        assert "all 3 connections are taken" in intake.status.problem
        with capture_logs() as logged:
            heard = [await intake.say(b"") for _ in range(2)]
            [found] = await asyncio.to_thread(service.intake, settings)
        assert all(b"\r\nserver: gatehouse\r\n" in one for one in heard)
        [told] = [line for line in logged if line["event"] == "post_refused"]
        assert (told["status"], told["peer"]) == ("503", "127.0.0.1")
        assert not found.well
        assert "connections" in found.sentence
        assert "another program" not in found.sentence
        await stack.aclose()
        await eventually(lambda: not intake.status.problem)


async def connect(stack: AsyncExitStack, intake: Intake, source: str = "127.0.0.1") -> Streams:
    """Connect from an address of this machine, until the stack is closed."""
    streams = await asyncio.open_connection("127.0.0.1", intake.port, local_addr=(source, 0))
    stack.callback(streams[1].close)
    return streams


async def test_one_host_cannot_shut_out_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address has few connections without a credential; those that proved one do not count."""
    monkeypatch.setattr(http_source, "UNKNOWN_OF_PEER", 2)
    async with Intake(tmp_path).running() as intake, AsyncExitStack() as stack:
        for _ in range(4):  # A proxy's, or those of one bridge.
            reader, writer = await connect(stack, intake, "127.0.0.2")
            writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _ in range(2):
            await connect(stack, intake, "127.0.0.2")
        with capture_logs() as logged:
            reader, _ = await connect(stack, intake, "127.0.0.2")
            assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        assert [line["peer"] for line in logged] == ["127.0.0.2"]
        assert intake.status.problem == ""
        reader, writer = await connect(stack, intake, "127.0.0.3")
        writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_who_proved_nothing_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent connection is closed soon; one that has posted is kept for the next post."""
    monkeypatch.setattr(http_connection, "FIRST_BYTE_S", 0.3)
    async with Intake(tmp_path).running() as intake, AsyncExitStack() as stack:
        reader, writer = await connect(stack, intake)
        for _ in range(2):
            writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            wrong = HEAD.replace(b"Basic Z2", b"Basic Zz") + b"\r\n"
            async with asyncio.timeout(10):
                assert await intake.say(b"") == b""
                assert (await intake.say(wrong)).startswith(b"HTTP/1.1 401")


async def test_who_asks_first_is_answered_before_a_body_is_sent(tmp_path: Path) -> None:
    """With Expect: 100-continue a wrong credential costs the terminal no picture."""
    expect = b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with Intake(tmp_path).running() as intake:
        wrong = await intake.say(HEAD.replace(b"Basic Z2", b"Basic Zz") + expect)
        assert wrong.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in wrong.lower()
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        writer.write(HEAD + expect)
        async with asyncio.timeout(20):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(b"{}" + HEAD + b"Content-Length: 3\r\n\r\n{ }")  # And one more behind it.
            for _ in range(2):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        assert [one.payload for one in intake.journalled()] == [b"{}", b"{ }"]


def read(message: Message) -> Any:
    return DECODER.decode(message.topic, message.payload, received_at=message.received_at)


async def test_a_face_in_a_post_never_reaches_the_disk(tmp_path: Path) -> None:
    """The picture is cut out of the multipart body; crossing and temperature remain."""
    event = passage(7, "2020-02-14T19:59:58+08:00", currTemperature=37.9)
    async with Intake(tmp_path).running() as intake:
        body = as_multipart(event, FACE, FACE[:9_000] + b"\xff\xd9")
        assert (await intake.post(body, headers=MULTIPART)).status_code == 200
        assert intake.pipeline.status().pictures == 2
        [message] = intake.journalled()
        assert message.properties == (("content-type", MULTIPART["content-type"]),)
        crossing, temperature, _status = read(message)
    assert isinstance(crossing, Crossing)
    assert isinstance(temperature, Temperature)
    assert (temperature.celsius, temperature.device_id) == (37.9, "gate-1")
    assert crossing.event_id == temperature.event_id == "7 2020-02-14T19:59:58+08:00"
    assert not any(FACE[100:164] in path.read_bytes() for path in files_in(tmp_path))


async def test_a_repeat_is_kept_and_is_the_same_event(tmp_path: Path) -> None:
    """A terminal that saw no answer sends again, under another boundary: one event id for both."""
    event = passage(7, "2020-02-14T19:59:58+08:00")
    async with Intake(tmp_path).running() as intake:
        for boundary in ("MIME_boundary", "another"):
            kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
            body = as_multipart(event, FACE, boundary=boundary)
            assert (await intake.post(body, headers=kind)).status_code == 200
        first, second = (read(one) for one in intake.journalled())
    without_time = [
        [msgspec.structs.replace(one, received_at=0, observed_at=0) for one in found]
        for found in (first, second)
    ]
    assert without_time[0] == without_time[1]
    assert first[0].event_id == "7 2020-02-14T19:59:58+08:00"


async def test_a_terminal_gets_the_answer_that_its_profile_declares(tmp_path: Path) -> None:
    """In the body of the 200: without it a Huaan terminal sends the same again for ever."""
    face = {"cmd": "face", "cap_time": "2020/02/14 19:59:58.120", "sequence_no": 52}
    async with Intake(tmp_path).running() as intake:
        answer = await intake.post(msgspec.json.encode(face | {"match_result": -1}))
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == face | {"reply": "ACK", "code": 0}
        assert (await intake.post(b"{}")).content == b""


async def test_a_port_that_is_taken_is_waited_for(tmp_path: Path) -> None:
    """The service lives and says so; when the port is free, terminals can post."""
    intake = Intake(tmp_path)
    squatter = await asyncio.start_server(lambda *_: None, "127.0.0.1", intake.port)
    async with intake.running(listens=False):
        await eventually(lambda: intake.status.problem)
        assert f"cannot listen on 127.0.0.1:{intake.port}" in intake.status.problem
        assert not intake.status.connected
        squatter.close()
        await squatter.wait_closed()
        await eventually(lambda: intake.status.connected)
        assert intake.status.problem == ""
        assert (await intake.post()).status_code == 200


async def test_doctor_says_whether_terminals_can_post(tmp_path: Path) -> None:
    """It knows the intake from another program on the port, and from nothing there."""

    async def examine(bind: str | None) -> list[Found]:
        named = {} if bind is None else {"GATEHOUSE_INTAKE_BIND": bind}
        return await asyncio.to_thread(service.intake, load(named))

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nServer: other\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    intake = Intake(tmp_path)
    bind = f"127.0.0.1:{intake.port}"
    assert await examine(None) == []
    [silent] = await examine(bind)
    assert (silent.well, silent.warns) == (True, True)
    async with intake.running():
        [found] = await examine(f"0.0.0.0:{intake.port}")
        assert (found.well, found.warns) == (True, False)
    async with await asyncio.start_server(hang_up, "127.0.0.1", intake.port):
        [other] = await examine(bind)
        assert not other.well
        assert "another program listens" in other.sentence
