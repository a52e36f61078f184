"""Recognizes lines of text and their words: position, text and confidence."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.rectangle import Rectangle, cut_out
from localcloud.rekognition.text.detector import TextDetector, TextRegion
from localcloud.rekognition.text.reader import Character, TextReader

# The reader finds a letter in any texture the detector passes to it. This limit on the product of
# their scores drops what both are unsure of: at 0.55 photographs without text yield no text, and
# single letters are still found.
_MIN_SCORE = 0.55
_MIN_CROP_SIDE = 4


@dataclass(frozen=True)
class Word:
    """A run of characters without spaces: its confidence (0 to 100) and place in image pixels."""

    text: str
    confidence: float
    place: Rectangle


@dataclass(frozen=True)
class Line:
    """A line of words in reading order; its confidence is the mean over its characters."""

    text: str  # the words separated by single spaces
    words: tuple[Word, ...]
    confidence: float
    place: Rectangle


class TextRecognizer:
    """The text detector and reader together; thread-safe."""

    def __init__(self, detector: TextDetector, reader: TextReader) -> None:
        self._detector = detector
        self._reader = reader

    def recognize(self, image: DecodedImage) -> list[Line]:
        """The lines of text in an image, from top to bottom and left to right."""
        read = [(found, self._read(image, found.place)) for found in self._detector.detect(image)]
        return _in_reading_order([line for found, line in read if line and _is_text(found, line)])

    def _read(self, image: DecodedImage, place: Rectangle) -> Line | None:
        if min(place.length, place.thickness) < _MIN_CROP_SIDE:
            return None
        line = _line(self._reader.read(cut_out(image, place)), place)
        # Steep text may read upward or downward: read it both ways and keep the more confident one.
        is_steep = abs(place.along[1]) > abs(place.along[0])
        if is_steep:
            reversed_place = place.turned_around()
            other = _line(self._reader.read(cut_out(image, reversed_place)), reversed_place)
            return max((line, other), key=lambda read: read.confidence if read else 0.0)
        return line


def _is_text(found: TextRegion, line: Line) -> bool:
    return found.score * line.confidence / 100 >= _MIN_SCORE


def _line(characters: Sequence[Character], place: Rectangle) -> Line | None:
    probabilities = [c.probability for c in characters if not c.text.isspace()]
    if not probabilities:
        return None
    words = tuple(_words(characters, place))
    text = " ".join(word.text for word in words)
    return Line(text, words, _confidence(probabilities), place)


def _words(characters: Sequence[Character], place: Rectangle) -> list[Word]:
    """The words; each extends half a character's width beyond its first and last character."""
    groups = [
        list(group)
        for is_space, group in itertools.groupby(characters, lambda c: c.text.isspace())
        if not is_space
    ]
    half = _half_character_width(characters)
    ends = [0.0]
    for before, after in itertools.pairwise(groups):
        middle = (before[-1].position + after[0].position) / 2
        ends += [min(before[-1].position + half, middle), max(after[0].position - half, middle)]
    ends.append(1.0)
    return [
        Word(
            text="".join(character.text for character in group),
            confidence=_confidence([character.probability for character in group]),
            place=place.part(start, end),
        )
        for group, start, end in zip(groups, ends[::2], ends[1::2], strict=True)
    ]


def _half_character_width(characters: Sequence[Character]) -> float:
    steps = [b.position - a.position for a, b in itertools.pairwise(characters)]
    return float(np.median(steps)) / 2 if steps else 0.5


def _confidence(probabilities: Sequence[float]) -> float:
    return min(100.0, 100 * sum(probabilities) / len(probabilities))


def _in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """Sort lines into rows: lines whose centers differ by under half a thickness share a row."""
    ordered: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.place.center[1]):
        row = ordered[-1] if ordered else []
        if row and line.place.center[1] - row[0].place.center[1] < row[0].place.thickness / 2:
            row.append(line)
        else:
            ordered.append([line])
    return [line for row in ordered for line in sorted(row, key=lambda line: line.place.center[0])]
