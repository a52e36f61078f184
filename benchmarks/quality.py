"""Compares what the local Rekognition finds in photographs with what people see in them.

    python -m benchmarks.quality [--photographs FOLDER --truth FILE]

For each photograph the truth file lists the expected labels (each a list of names, of which one is
enough; the main subject first), the other correct labels, the texts in it and its number of faces.
The benchmark starts the local Rekognition, calls it through boto3 and stops it. It prints Markdown;
docs/quality.md has the results for the bundled photographs.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.rekognition_process import new_client, running_server

PROJECT = Path(__file__).parents[1]
PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"
TRUTH = PROJECT / "benchmarks" / "quality_truth.json"
MIN_CONFIDENCE = 70.0  # the app's default


@dataclass(frozen=True)
class Truth:
    """What people see in a photograph."""

    labels: tuple[frozenset[str], ...]
    also_right: frozenset[str]
    texts: tuple[str, ...]
    faces: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Truth":
        """Create from an entry of the truth file."""
        return cls(
            tuple(map(frozenset, values["labels"])),
            frozenset(values["also_right"]),
            tuple(values["texts"]),
            values["faces"],
        )

    @property
    def right_labels(self) -> frozenset[str]:
        """All correct labels, expected or not."""
        return self.also_right.union(*self.labels)


@dataclass(frozen=True)
class Score:
    """The score of one photograph and feature: findings expected, found, and wrongly claimed."""

    expected: int
    found: int
    wrong: tuple[str, ...]


def truths_of(file: Path) -> dict[str, Truth]:
    """The entries of a truth file, by file name of the photograph."""
    return {name: Truth.of(values) for name, values in json.loads(file.read_text()).items()}


def score(client: Any, content: bytes, truth: Truth) -> dict[str, Score]:
    """The scores of one photograph (its file's bytes), by feature: labels, texts, faces."""
    image = {"Bytes": content}
    labels = client.detect_labels(Image=image, MinConfidence=MIN_CONFIDENCE)["Labels"]
    names = {label["Name"] for label in labels}
    lines = [
        text["DetectedText"]
        for text in client.detect_text(Image=image)["TextDetections"]
        if text["Type"] == "LINE"
    ]
    read = " ".join(lines).casefold()
    faces = len(client.detect_faces(Image=image)["FaceDetails"])
    extra_faces = max(faces - truth.faces, 0)
    return {
        "labels": Score(
            len(truth.labels),
            sum(bool(names & expected) for expected in truth.labels),
            tuple(sorted(names - truth.right_labels)),
        ),
        "texts": Score(
            len(truth.texts),
            sum(text.casefold() in read for text in truth.texts),
            tuple(
                line
                for line in lines
                if not any(text.casefold() in line.casefold() for text in truth.texts)
            ),
        ),
        "faces": Score(truth.faces, min(faces, truth.faces), ("a face",) * extra_faces),
    }


def report(scores: dict[str, dict[str, Score]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; `scores` is by photograph and feature."""
    yield "| photograph | labels | texts | faces | wrongly claimed |"
    yield "| --- | --- | --- | --- | --- |"
    expected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for name, by_feature in scores.items():
        cells = [f"{each.found} of {each.expected}" for each in by_feature.values()]
        claimed = ", ".join(claim for each in by_feature.values() for claim in each.wrong)
        yield f"| {name} | {' | '.join(cells)} | {claimed} |"
        for feature, each in by_feature.items():
            expected[feature] += each.expected
            found[feature] += each.found
            wrong[feature] += len(each.wrong)
    cells = [f"{found[feature]} of {expected[feature]}" for feature in expected]
    yield f"| **all** | {' | '.join(cells)} | {sum(wrong.values())} |"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--photographs", type=Path, default=PHOTOGRAPHS)
    parser.add_argument("--truth", type=Path, default=TRUTH)
    arguments = parser.parse_args()
    truths = truths_of(arguments.truth)
    with running_server() as url:
        client = new_client(url)
        scores = {
            name: score(client, (arguments.photographs / name).read_bytes(), truth)
            for name, truth in truths.items()
        }
    print("\n".join(report(scores)))


if __name__ == "__main__":
    main()
