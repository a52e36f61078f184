"""Measures how well the local Rekognition labels the bundled photographs and contentless images.

python -m benchmarks.label_quality             the labels of each photograph and its variants
python -m benchmarks.label_quality --nothing   the classes predicted for images without content
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from benchmarks.quality import PHOTOGRAPHS, TRUTH, truths_of
from localcloud.rekognition import images, weights
from localcloud.rekognition.classifier import Classifier
from localcloud.rekognition.detector import Detector
from localcloud.rekognition.labels import LabelRecognizer, whole_views
from localcloud.rekognition.taxonomy import Taxonomy

PROJECT = Path(__file__).parents[1]
MODELS = PROJECT / ".localcloud" / "models"
CONFIDENT, DEFAULT = 70.0, 55.0


VARIANTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "original": lambda image: image,
    "mirrored": ImageOps.mirror,
    "grayscale": lambda image: image.convert("L"),
    "JPEG quality 40": lambda image: _as_jpeg(image, 40),
    "half size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "darker": lambda image: image.point(lambda value: value * 0.6),
    "center two thirds": lambda image: ImageOps.crop(image, min(image.size) // 6),
}


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _as_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def print_table() -> None:
    """Print Markdown: the best expected label and the wrong labels of each photograph variant."""
    models = weights.find(MODELS)
    classifier = Classifier(models["classifier"])
    recognizer = LabelRecognizer(Detector(models["detector"]), classifier, Taxonomy.load())
    found_at = {CONFIDENT: 0, DEFAULT: 0}
    wrong_at = {CONFIDENT: 0, DEFAULT: 0}
    durations = []
    print("| photograph | variant | best expected label | wrong labels at 55 or more |")
    print("| --- | --- | --- | --- |")
    for name, truth in truths_of(TRUTH).items():
        original = Image.open(PHOTOGRAPHS / name).convert("RGB")
        main_label, right = truth.labels[0], truth.right_labels
        for variant, change in VARIANTS.items():
            content = _as_png(change(original))
            started = time.perf_counter()
            labels = recognizer.recognize(images.decode(content))
            durations.append(time.perf_counter() - started)
            expected = [label for label in labels if label.name in main_label]
            wrong = [
                label for label in labels if label.name not in right and label.confidence >= DEFAULT
            ]
            for limit in found_at:
                found_at[limit] += any(label.confidence >= limit for label in expected)
                wrong_at[limit] += any(label.confidence >= limit for label in wrong)
            best = f"{expected[0].name} {expected[0].confidence:.0f}" if expected else "none"
            mistakes = ", ".join(f"{label.name} {label.confidence:.0f}" for label in wrong)
            print(f"| {name} | {variant} | {best} | {mistakes} |")
    count = len(durations)
    print()
    for limit in found_at:
        print(
            f"At confidence {limit:.0f} or more: expected label found in {found_at[limit]} of "
            f"{count} images, wrong labels in {wrong_at[limit]}."
        )
    print(f"Median {np.median(durations) * 1000:.0f} ms per image, including decoding.")


def print_false_classes() -> None:
    """Print the classes with a mean probability above 0.01 over 500 images without content."""
    classifier = Classifier(weights.find(MODELS)["classifier"])
    probabilities = [
        classifier.classify(whole_views(np.asarray(image))).mean(axis=0)
        for image in _contentless_images(500)
    ]
    means = np.mean(probabilities, axis=0)
    names = {
        number: entry.name
        for entry in Taxonomy.load().labels.values()
        for number in entry.imagenet_classes
    }
    for number in np.flatnonzero(means > 0.01):
        print(f"{number:4} {means[number]:.3f} {names.get(int(number), '-')}")


def _contentless_images(count: int) -> Iterator[Image.Image]:
    """Yield the same `count` images of colors, shapes and patterns, without objects, every time."""
    random = np.random.default_rng(7)
    kinds = (
        *(_gradient, _stripes, _spots, _noise, _shapes, _triangles),
        *(_tiles, _waves, _cells, _dots),
    )
    for number in range(count):
        yield kinds[number % len(kinds)](random)


_SIDE = (300, 300)


def _gradient(random: np.random.Generator) -> Image.Image:
    return _enlarged(random, 2, 2, Image.Resampling.BICUBIC)


def _stripes(random: np.random.Generator) -> Image.Image:
    filters = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
    stripes = _enlarged(random, 1, int(random.integers(4, 40)), filters[random.integers(2)])
    return stripes.rotate(45 * int(random.integers(4)))


def _spots(random: np.random.Generator) -> Image.Image:
    size = int(random.integers(3, 12))
    return _enlarged(random, size, size, Image.Resampling.BICUBIC)


def _noise(random: np.random.Generator) -> Image.Image:
    noise = _enlarged(random, *_SIDE, Image.Resampling.NEAREST)
    return noise.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 6))))


def _shapes(random: np.random.Generator) -> Image.Image:
    image = _gradient(random)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(1, 12)):
        left, top = random.integers(0, _SIDE[0], 2)
        width, height = random.integers(10, 150, 2)
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([left, top, left + width, top + height], fill=_color(random))
    return image


def _triangles(random: np.random.Generator) -> Image.Image:
    image = _gradient(random)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(2, 15)):
        points = [tuple(point) for point in random.integers(0, _SIDE[0], (3, 2)).tolist()]
        draw.polygon(points, fill=_color(random))
    return image


def _tiles(random: np.random.Generator) -> Image.Image:
    """A chessboard of two colors or a mosaic of many, sometimes rotated by 45 degrees."""
    count = int(random.integers(4, 24))
    if random.random() < 0.5:
        pair = random.integers(0, 256, (2, 3), dtype=np.uint8)
        board = Image.fromarray(pair[np.indices((count, count)).sum(axis=0) % 2])
        tiles = board.resize(_SIDE, Image.Resampling.NEAREST)
    else:
        tiles = _enlarged(random, count, count, Image.Resampling.NEAREST)
    return tiles.rotate(45 * int(random.integers(2)))


def _waves(random: np.random.Generator) -> Image.Image:
    """Parallel waves between two colors, like folds in sand or cloth."""
    rows, columns = np.indices(_SIDE)
    angle, length = random.uniform(0, np.pi), random.uniform(8, 60)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    bend = random.uniform(0, 20) * np.sin(rows / random.uniform(20, 80))
    return _between_two_colors(random, (np.sin(2 * np.pi * (along + bend) / length) + 1) / 2)


def _cells(random: np.random.Generator) -> Image.Image:
    """Voronoi cells of random points, shaded toward their edges, like foam or petals."""
    count = int(random.integers(20, 200))
    points = random.uniform(0, _SIDE[0], (count, 2))
    rows, columns = np.indices(_SIDE)
    distances = np.hypot(rows[..., None] - points[:, 0], columns[..., None] - points[:, 1])
    nearest = np.partition(distances, 1, axis=2)
    return _between_two_colors(random, 1 - nearest[..., 0] / nearest[..., 1])


def _dots(random: np.random.Generator) -> Image.Image:
    """A grid of round dots, aligned or staggered."""
    rows, columns = np.indices(_SIDE)
    pitch = random.uniform(12, 60)
    stagger = (rows // pitch % 2) * pitch / 2 * random.integers(2)
    distances = np.hypot(rows % pitch - pitch / 2, (columns + stagger) % pitch - pitch / 2)
    return _between_two_colors(random, np.clip(1.5 - distances / (pitch / 3), 0, 1))


def _between_two_colors(random: np.random.Generator, mixture: NDArray[np.float64]) -> Image.Image:
    first, second = random.integers(0, 256, (2, 3))
    return Image.fromarray((first + mixture[..., None] * (second - first)).astype(np.uint8))


def _enlarged(
    random: np.random.Generator, rows: int, columns: int, resampling: Image.Resampling
) -> Image.Image:
    pixels = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(_SIDE, resampling)


def _color(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(random.integers(0, 256, 3).tolist())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_quality")
    parser.add_argument(
        "--nothing",
        action="store_true",
        help="print the classes predicted for images without content",
    )
    if parser.parse_args().nothing:
        print_false_classes()
    else:
        print_table()


if __name__ == "__main__":
    main()
