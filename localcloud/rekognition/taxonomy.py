"""The labels, their hierarchy and the model classes that map to them, from taxonomy.tsv."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

_FILE = Path(__file__).with_name("taxonomy.tsv")
_NO_LABEL = "-"
_COLUMN_COUNT = 6


class TaxonomyError(Exception):
    """The taxonomy file is inconsistent; the message says where."""


@dataclass(frozen=True)
class LabelEntry:
    """A label: its category, aliases and the classes that map to it.

    `ancestors` are its parents, their parents and so on, nearest first. COCO classes are the
    detector's class ids (1 to 90), ImageNet classes the classifier's indices (0 to 999).
    """

    name: str
    ancestors: tuple[str, ...]
    category: str
    aliases: tuple[str, ...]
    coco_classes: frozenset[int]
    imagenet_classes: frozenset[int]


@dataclass(frozen=True)
class Taxonomy:
    """All labels by name, and the ImageNet classes that deliberately map to no label."""

    labels: Mapping[str, LabelEntry]
    unmapped_imagenet_classes: frozenset[int]

    @classmethod
    def load(cls, file: Path = _FILE) -> "Taxonomy":
        """Read a taxonomy file.

        Raises TaxonomyError for too many columns, a duplicate label, an unknown parent, or a label
        that is its own ancestor.
        """
        rows = {row.name: row for row in _rows(file)}
        unmapped = rows.pop(_NO_LABEL, None)
        labels = {
            name: LabelEntry(
                name=name,
                ancestors=_ancestors(name, rows),
                category=row.category,
                aliases=row.aliases,
                coco_classes=row.coco_classes,
                imagenet_classes=row.imagenet_classes,
            )
            for name, row in rows.items()
        }
        return cls(labels, unmapped.imagenet_classes if unmapped else frozenset())

    @cached_property
    def label_by_coco_class(self) -> Mapping[int, str]:
        """The label's name by COCO class id."""
        return {
            class_id: entry.name
            for entry in self.labels.values()
            for class_id in sorted(entry.coco_classes)
        }

    @cached_property
    def imagenet_indices_below(self) -> Mapping[str, Indices]:
        """The indices of the ImageNet classes of each label and its descendants."""
        classes: dict[str, set[int]] = {name: set() for name in self.labels}
        for entry in self.labels.values():
            for name in (entry.name, *entry.ancestors):
                classes[name] |= entry.imagenet_classes
        return {name: _indices(numbers) for name, numbers in classes.items()}

    @cached_property
    def imagenet_indices_in_category(self) -> Mapping[str, Indices]:
        """The indices of the ImageNet classes of all labels of each category."""
        classes: dict[str, set[int]] = {}
        for entry in self.labels.values():
            classes.setdefault(entry.category, set()).update(entry.imagenet_classes)
        return {category: _indices(numbers) for category, numbers in classes.items()}


@dataclass(frozen=True)
class _Row:
    name: str
    parents: tuple[str, ...]
    category: str
    aliases: tuple[str, ...]
    coco_classes: frozenset[int]
    imagenet_classes: frozenset[int]


def _rows(file: Path) -> Iterator[_Row]:
    seen: set[str] = set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        columns = line.split("\t")
        columns += [""] * (_COLUMN_COUNT - len(columns))
        if len(columns) > _COLUMN_COUNT:
            raise TaxonomyError(
                f"{file.name}:{number}: {len(columns)} columns; the limit is {_COLUMN_COUNT}"
            )
        name, parents, category, aliases, coco, imagenet = columns
        if name in seen:
            raise TaxonomyError(f"{file.name}:{number}: {name} is there twice")
        seen.add(name)
        yield _Row(
            name, _list(parents), category, _list(aliases), _classes(coco), _classes(imagenet)
        )


def _list(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("; ")) if cell else ()


def _classes(cell: str) -> frozenset[int]:
    return frozenset(int(item.partition("=")[0]) for item in _list(cell))


def _indices(numbers: Iterable[int]) -> Indices:
    return np.array(sorted(numbers), dtype=np.intp)


def _ancestors(name: str, rows: Mapping[str, _Row]) -> tuple[str, ...]:
    found: list[str] = []
    waiting = list(rows[name].parents)
    while waiting:
        parent = waiting.pop(0)
        if parent == name:
            raise TaxonomyError(f"{name} is its own ancestor")
        if parent not in rows:
            raise TaxonomyError(f"{name} has the parent {parent}, which is not a label")
        if parent not in found:
            found.append(parent)
            waiting.extend(rows[parent].parents)
    return tuple(found)
