"""Every word is said in every language."""

import re

import pytest

from impasto.studio.words import LANGUAGES, WORDS, by_language, duration, language_of, say


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_said_in_every_language_with_the_same_values(word):
    said = WORDS[word]
    assert said.keys() == set(LANGUAGES)
    assert all(said.values())
    assert len({frozenset(re.findall(r"\{\w+\}", sentence)) for sentence in said.values()}) == 1


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR, ko;q=0.8, en;q=0.7", "ko"),
        ("fr", "en"),
        ("", "en"),
        ("EN-gb", "en"),
    ],
)
def test_a_browser_is_answered_in_its_language(header, language):
    assert language_of({"accept-language": header}) == language
    assert language_of({}) == "en"


def test_times():
    told = [duration(seconds, "en") for seconds in (0.2, 59.0, 89.4, 90.0, 3600.0)]
    assert told == [
        "1 s",
        "59 s",
        "89 s",
        "2 min",
        "60 min",
    ]
    assert duration(120.0, "ko") == "2분"
    assert say("left", "de", time=duration(30.0, "de")) == "noch etwa 30 s"
    assert by_language()["ko"]["paint"] == "그리기"
