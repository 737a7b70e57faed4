"""Mosquitto's two files: our part, and what others wrote around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.broker_file import (
    BEGIN,
    END,
    BrokerFileError,
    Grant,
    acl_part,
    check_acl_file,
    check_password_file,
    hash_password,
    password_part,
    refuse_id,
    replace_part,
    user_name,
)

PART = password_part({"b": "$7$2", "a": "$7$1"})


def test_a_part_is_in_the_order_of_names() -> None:
    """The same registry gives the same file, whatever order it is read in."""
    assert PART.splitlines() == [BEGIN, b"a:$7$1", b"b:$7$2", END]
    grants = {"b": Grant(["t/b"], []), "a": Grant(["t/2", "t/1"], ["asked/a"])}
    assert acl_part(grants).splitlines()[1:-1] == [
        b"user a",
        b"topic write t/1",
        b"topic write t/2",
        b"topic read asked/a",
        b"user b",
        b"topic write t/b",
    ]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_what_others_wrote_is_kept_byte_for_byte(before: bytes, after: bytes) -> None:
    """Around the first part that is put in, and around every later one."""
    once = replace_part(before, PART)
    assert once.startswith(before)
    whole = once + after
    again = replace_part(whole, password_part({"c": "$7$3"}))
    assert again == whole.replace(PART, password_part({"c": "$7$3"}))
    assert replace_part(again, PART) == whole


@pytest.mark.parametrize(
    "content",
    [BEGIN + b"\na:b\n", b"a:b\n" + END + b"\n", END + b"\n" + BEGIN + b"\n", PART + PART],
    ids=["no end", "no begin", "end first", "twice"],
)
def test_damaged_marks_are_refused_by_line(content: bytes) -> None:
    """What is ours cannot be told any more: nobody guesses it."""
    with pytest.raises(BrokerFileError, match=r"line \d+.*the marks of Gatehouse's part"):
        replace_part(content, PART)


def test_a_user_that_somebody_else_made_is_refused() -> None:
    """Two lines of one name: the broker would take either."""
    for content, line in ((b"gatehouse:$7$9\n" + PART, 1), (PART + b"# x\n gatehouse :$7$9\n", 6)):
        check_password_file(content, {"a", "b"})
        with pytest.raises(BrokerFileError, match=f"line {line}: 'gatehouse' is a user outside"):
            check_password_file(content, {"gatehouse"})


def test_a_topic_of_nobody_behind_our_part_is_refused() -> None:
    """In an ACL file a topic belongs to the user above it, which would be our last device."""
    part = acl_part({"a": Grant(["t/a"], [])})
    check_acl_file(b"topic read public/#\n" + part + b"# end\npattern read x/%u\nuser u\ntopic b\n")
    with pytest.raises(BrokerFileError, match="line 6: a topic of nobody stands behind"):
        check_acl_file(part + b"pattern read x/%u\n topic read public/#\n")


def test_two_hashes_of_one_password_differ() -> None:
    """Each has a salt of its own."""
    assert hash_password("x") != hash_password("x")


@pytest.mark.parametrize(
    ("device", "user"),
    [
        ("plug-17", "plug-17"),
        ("a0:e6:f8", "a0%3Ae6%3Af8"),
        ("flat 3/bedroom", "flat%203%2Fbedroom"),
        ("北门", "%E5%8C%97%E9%97%A8"),
        ("a%3Ab", "a%253Ab"),
    ],
)
def test_a_user_is_a_name_that_every_file_and_terminal_takes(device: str, user: str) -> None:
    """No two ids have one user, and none ends its line, its field, or begins a comment."""
    assert user_name(device) == user


@pytest.mark.parametrize("device", ["a+b", "#", "$SYS", " a", "a ", "a\nb", "a\x7f"])
def test_an_id_that_could_widen_a_filter_is_refused(device: str) -> None:
    """A wildcard, the broker's own topics, or what ends a line of a file."""
    assert refuse_id(device)


@pytest.mark.parametrize("device", ["a0:e6", "a/b", "flat 3", "北门", "a$", "a%u"])
def test_other_ids_are_taken(device: str) -> None:
    """Colons, slashes, blanks within and any letters."""
    assert refuse_id(device) is None
