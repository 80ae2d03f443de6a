import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dtrain.data import fetch
from dtrain.data.datasets import CharText
from dtrain.errors import JobError

TEXT = "the quick brown fox jumps over the lazy dog\n"


def pieces(data: CharText) -> list[tuple[str, str]]:
    return [(data.decode(x), data.decode(y)) for x, y in (data[i] for i in range(len(data)))]


def test_a_window_has_the_next_characters_as_its_targets() -> None:
    data = CharText.from_text(TEXT, block_size=5, test_fraction=0)
    assert pieces(data)[:2] == [("the q", "he qu"), ("he qu", "e qui")]
    assert pieces(data)[-1] == (TEXT[-6:-1], TEXT[-5:])


@pytest.mark.parametrize(("stride", "length"), [(1, 39), (3, 13), (5, 8), (100, 1)])
def test_the_stride_is_how_far_it_is_to_the_next_window(stride: int, length: int) -> None:
    data = CharText.from_text(TEXT, block_size=5, stride=stride, test_fraction=0)
    assert len(data) == length
    assert [x for x, _ in pieces(data)] == [
        TEXT[i : i + 5] for i in range(0, len(TEXT) - 5, stride)
    ]


def test_a_stride_of_the_block_predicts_each_character_once() -> None:
    data = CharText.from_text(TEXT[:41], block_size=5, stride=5, test_fraction=0)
    assert "".join(y for _, y in pieces(data)) == TEXT[1:41]


def test_the_end_of_the_text_is_the_test_part() -> None:
    train, test = (
        CharText.from_text(TEXT, t, block_size=1, test_fraction=0.25) for t in (True, False)
    )
    assert "".join(x for x, _ in pieces(train)) == TEXT[:32]
    assert "".join(x for x, _ in pieces(test)) == TEXT[33:-1]


def test_both_parts_have_the_vocabulary_of_the_whole_text() -> None:
    train, test = (
        CharText.from_text("aabbc", t, block_size=1, test_fraction=0.4) for t in (True, False)
    )
    assert train.vocabulary == test.vocabulary == ("a", "b", "c")


def test_codes_are_places_in_the_sorted_vocabulary() -> None:
    data = CharText.from_text("banana", block_size=2)
    assert data.encode("nab").tolist() == [2, 0, 1]
    assert str(data[0][0]._array.dtype) == "int64"


@pytest.mark.parametrize("text", ["", "banana", "nab"])
def test_decoding_undoes_encoding(text: str) -> None:
    data = CharText.from_text("banana", block_size=2)
    assert data.decode(data.encode(text)) == text


def test_any_character_of_unicode_will_do() -> None:
    data = CharText.from_text("gå 🦊\r\nå🦊", block_size=2, test_fraction=0)
    assert data.decode(data.encode("🦊å\r\n")) == "🦊å\r\n"


def test_an_unknown_character_is_named() -> None:
    with pytest.raises(ValueError, match="'z' is not in the vocabulary of 3"):
        CharText.from_text("banana", block_size=2).encode("baz")


@pytest.mark.parametrize("code", [-1, 3])
def test_an_unknown_code_is_refused(code: int) -> None:
    with pytest.raises(IndexError, match="codes are from 0 to 2"):
        CharText.from_text("banana", block_size=2).decode([code])


def test_windows_taken_at_once_equal_windows_one_by_one() -> None:
    data = CharText.from_text(TEXT, block_size=7, stride=2)
    batch = fetch(data, [3, 0, -1])
    for field, slow in zip(batch, zip(*(data[i] for i in (3, 0, -1)), strict=True), strict=True):
        assert field.tolist() == [row.tolist() for row in slow]
        assert (str(field._array.dtype), field._array.flags.c_contiguous) == ("int64", True)


@pytest.mark.parametrize("index", [5, -6])
def test_there_is_no_window_beyond_the_end(index: int) -> None:
    data = CharText.from_text("banana", block_size=1, test_fraction=0)
    with pytest.raises(IndexError):
        data[index]
    with pytest.raises(IndexError):
        data.take(np.array([index]))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ab", {"block_size": 2}, "training part has 2 characters"),
        ("", {"block_size": 1}, "training part has 0 characters"),
        ("abc", {"block_size": 0}, "block_size >= 1"),
        ("abc", {"block_size": 1, "stride": 0}, "stride >= 1"),
        ("abc", {"block_size": 1, "test_fraction": 1.5}, r"test_fraction in \[0, 1\]"),
    ],
)
def test_what_gives_no_window_is_refused(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CharText.from_text(text, **options)


@pytest.mark.parametrize("place", ["input.txt", "tinyshakespeare/input.txt"])
def test_a_text_is_found_in_a_folder_or_by_its_own_name(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"to be\r\nor not")
    for root in (tmp_path, path):
        data = CharText(root, block_size=4, test_fraction=0)
        assert pieces(data)[2] == ("\x20be\r", "be\r\n")


def test_a_missing_text_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(JobError) as raised:
        CharText(tmp_path)
    text = str(raised.value)
    assert "input.txt is missing" in text
    assert str(tmp_path / "tinyshakespeare") in text
    assert "karpathy/char-rnn" in text


def test_no_folder_at_all_is_an_error() -> None:
    with pytest.raises(JobError, match="CharText: no data folder was given"):
        CharText(None)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_bytes(b"abc\xff")
    with pytest.raises(JobError, match=r"input.txt is no text in UTF-8 \(byte 3"):
        CharText(tmp_path)


@pytest.mark.skipif(not os.environ.get("DTRAIN_DATA"), reason="DTRAIN_DATA names no data folder")
def test_the_text_of_shakespeare_has_the_reference_figures() -> None:
    train, test = (
        CharText(os.environ["DTRAIN_DATA"], part, block_size=64) for part in (True, False)
    )
    assert len(train.vocabulary) == 65
    assert len(train) + len(test) == 1_115_394 - 2 * 64
    assert train.decode(train[0][0]).startswith("First Citizen:\nBefore we proceed")
