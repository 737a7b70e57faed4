"""What a refusal's words say of the lines of its body; the words are those of real servers."""

import pytest

from ingest.influxdb_refusal import Line, Refusal, read_refusal, sort_out

PART = [
    Line(number, 1_000 - number, f"m,device=d{number} {'b' if number % 3 else 'a'}={number}.0 7")
    for number in range(6)
]
CONFLICT = (
    'partial write: field type conflict: input field "a" on measurement "m" is type float, '
    "already exists as type string dropped=%d"
)
UNPARSED = "unable to parse '%s': invalid number"


def places(lines: list[Line]) -> list[int]:
    return [line.place for line in lines]


@pytest.mark.parametrize(
    ("words", "refused", "bodies"),
    [
        pytest.param("engine is odd", [], [[5, 4, 3], [2, 1, 0]], id="halves-by-time"),
        pytest.param("partial write: odd dropped=6", [0, 1, 2, 3, 4, 5], [], id="all-dropped"),
        pytest.param(CONFLICT % 2, [], [[0, 3], [1, 2, 4, 5]], id="conflict-suspects-the-field"),
        pytest.param(
            "partial write: points beyond retention policy dropped=2",
            [],
            [[5, 4], [0, 1, 2, 3]],
            id="retention-suspects-the-oldest",
        ),
        pytest.param(
            f"partial write: {UNPARSED % PART[1].text}\n{UNPARSED % PART[4].text} dropped=0",
            [1, 4],
            [],
            id="1.x-stored-the-others",
        ),
        pytest.param(UNPARSED % PART[1].text, [1], [[0, 2, 3, 4, 5]], id="2.x-did-not"),
        pytest.param(
            f"partial write: {UNPARSED % PART[1].text}\n{UNPARSED % 'm another=1 7'} dropped=0",
            [1],
            [[0, 2, 3, 4, 5]],
            id="1.x-names-a-line-we-do-not-know",
        ),
        pytest.param(
            CONFLICT.replace('"a"', '"z"') % 2, [], [[5, 4, 3], [2, 1, 0]], id="suspicion-misses"
        ),
    ],
)
def test_words_say_what_to_send_again(
    words: str, refused: list[int], bodies: list[list[int]]
) -> None:
    """Named and wholly dropped lines are refused; the others are sent, suspects together."""
    out, again = sort_out(Refusal(words), PART)
    assert [line.place for line, _ in out] == refused
    assert [places(list(body)) for body in again] == bodies


def test_a_single_line_is_refused_with_the_words_alone() -> None:
    """A dead letter says why; not how often, nor what the line says."""
    [(_, why)], _ = sort_out(Refusal(CONFLICT % 1), PART[:1])
    assert why == CONFLICT.removeprefix("partial write: ").partition(" dropped")[0]
    [(_, why)], _ = sort_out(Refusal(UNPARSED % PART[0].text), PART[:1])
    assert why == "unable to parse: invalid number"


def test_numbered_lines_are_refused_and_the_others_halved() -> None:
    """3 numbers lines from one, at times only the first bad one; the rest is still unknown."""
    told = {"error": "parsing failed", "data": {"line_number": 2, "error_message": "bad type"}}
    refusal = read_refusal(told)
    assert refusal is not None
    refused, bodies = sort_out(refusal, PART)
    assert [(line.place, why) for line, why in refused] == [(1, "bad type")]
    assert [places(list(body)) for body in bodies] == [[5, 4], [3, 2, 0]]


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"error": ""}, {"data": [1]}])
def test_an_answer_without_words_is_no_refusal(answer: object) -> None:
    """What no InfluxDB says must not let a point be given up."""
    assert read_refusal(answer) is None


@pytest.mark.parametrize("data", [3, [None, {"line_number": "1"}], {"line_number": None}])
def test_odd_numbers_are_passed_over(data: object) -> None:
    """Numbers that are none name no line."""
    assert read_refusal({"error": "x", "data": data}) == Refusal("x")
