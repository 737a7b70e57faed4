"""Telegraf on the same load between the same broker and store, so that a run gives a ratio.

It keeps no journal, judges nothing and knows no devices: what it costs is the price of carrying
the same fields from MQTT into InfluxDB. Tuned as its documentation advises for throughput.

Source: telegraf plugins/inputs/mqtt_consumer/README.md; docs/CONFIGURATION.md, metric_batch_size.
"""

import shutil
import signal
from pathlib import Path

from devices.clock import HOUR, wall_now
from tests.bench.cost import Cpu
from tests.bench.load import messages, packets
from tests.bench.publisher import Publisher
from tests.servers import InfluxDB, Mosquitto, Process, wait_until

PROGRAM = "telegraf"
PATIENCE_S = 120
WARM_UP = 5_000
_DATABASE = "telegraf"
_AGENT = """
[agent]
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 1000000
  omit_hostname = true

[[outputs.influxdb]]
  urls = ["{influxdb}"]
  database = "{database}"
  content_encoding = "gzip"
"""
_INPUT = """
[[inputs.mqtt_consumer]]
  name_override = "{name}"
  servers = ["tcp://127.0.0.1:{port}"]
  client_id = "telegraf-{name}"
  topics = ["{topic}"]
  qos = 1
  persistent_session = true
  max_undelivered_messages = 100000
  {parser}
"""
_INPUTS = (
    (
        "room",
        "zigbee2mqtt/+",
        'data_format = "json"\n  fieldinclude = ["temperature", "battery", "linkquality"]',
    ),
    (
        "meter",
        "tele/+/SENSOR",
        'data_format = "json"\n  json_time_key = "Time"\n  json_timezone = "Asia/Shanghai"\n'
        '  json_time_format = "2006-01-02T15:04:05"\n'
        '  fieldinclude = ["ENERGY_Power", "ENERGY_Total"]',
    ),
    (
        "body",
        "+/HealthThermometer/TemperatureMeasurement",
        'data_format = "value"\n  data_type = "string"',
    ),
)


def is_installed() -> bool:
    """Return whether there is a Telegraf to compare with."""
    return shutil.which(PROGRAM) is not None


def cpu_us(folder: Path, count: int) -> float:
    """Return the CPU microseconds that one of so many messages costs Telegraf."""
    broker, influxdb = Mosquitto(folder / "broker"), InfluxDB(folder / "influxdb")
    config = folder / "telegraf.conf"
    process = Process([PROGRAM, "--quiet", "--config", str(config)], folder / "telegraf.log")
    inputs = [
        _INPUT.format(name=name, port=broker.port, topic=topic, parser=parser)
        for name, topic, parser in _INPUTS
    ]
    config.write_text(_AGENT.format(influxdb=influxdb.url, database=_DATABASE) + "".join(inputs))
    try:
        broker.start()
        influxdb.start().database(_DATABASE)
        process.spawn()
        wait_until(lambda: broker.log.count("telegraf-") >= len(_INPUTS), what="Telegraf")
        _send(broker, influxdb, WARM_UP, hours_ago=2)
        before = Cpu.of(process.pid)
        _send(broker, influxdb, count, hours_ago=0)
        return Cpu.of(process.pid).since(before).microseconds(count)
    finally:
        process.end(signal.SIGKILL)
        influxdb.stop()
        broker.stop()


def _send(broker: Mosquitto, influxdb: InfluxDB, count: int, *, hours_ago: int) -> None:
    """Publish messages at full speed, and wait until the store has them all.

    Meters say the time themselves; the warm-up's is hours ago, so that no point meets another.
    """
    stored = _count(influxdb)
    publisher = Publisher(broker.port)
    publisher.send(packets(messages(count, (wall_now() - hours_ago * HOUR) / 1000)))
    publisher.close()
    wait_until(
        lambda: _count(influxdb) >= stored + count, seconds=PATIENCE_S, every=0.5, what="Telegraf"
    )


def _count(influxdb: InfluxDB) -> int:
    """Return how many messages are stored; each family has one field in all of its points."""
    counted = influxdb.query(
        "SELECT count(temperature), count(value), count(ENERGY_Power) FROM room, body, meter",
        database=_DATABASE,
    )
    return sum(number or 0 for one in counted for row in one["values"] for number in row[1:])
