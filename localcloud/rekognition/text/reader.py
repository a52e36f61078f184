"""Reads a line of text: the recognizer of PP-OCRv6, which reads from left to right."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import Pixels
from localcloud.rekognition.onnx_session import open_session

_INPUT_HEIGHT = 48
_MIN_WIDTH, _MAX_WIDTH = 320, 3200
_BLANK = 0  # the class for "no character"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Character:
    """A character, its probability (0 to 1) and its position along the line (0 to 1)."""

    text: str
    probability: float
    position: float


class TextReader:
    """The text recognition network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model, keeps_memory=False)
        listed = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *listed, " "]

    def read(self, line: Pixels) -> list[Character]:
        """The characters, including spaces, of an upright line of text (RGB pixels)."""
        image, text_width = _as_input(line)
        (outputs,) = self._session.run(None, {"x": image})
        probabilities: Floats = outputs[0]  # [steps, characters]
        classes = probabilities.argmax(axis=1)
        # Connectionist temporal classification (CTC): repetitions of a class are one character.
        is_new = np.append(True, classes[1:] != classes[:-1]) & (classes != _BLANK)
        pixels_per_step = image.shape[3] / len(classes)
        return [
            Character(
                text=self._characters[classes[step]],
                probability=float(probabilities[step, classes[step]]),
                position=min(1.0, (step + 0.5) * pixels_per_step / text_width),
            )
            for step in np.flatnonzero(is_new).tolist()
        ]


def _as_input(line: Pixels) -> tuple[Floats, int]:
    """The network's input [1, 3, 48, width], padded with gray, and the width of the text in it."""
    height, width = line.shape[:2]
    text_width = min(_MAX_WIDTH, math.ceil(_INPUT_HEIGHT * width / height))
    resized = Image.fromarray(line).resize((text_width, _INPUT_HEIGHT), Image.Resampling.BILINEAR)
    scaled = np.asarray(resized, np.float32)[..., ::-1] / 127.5 - 1  # BGR
    image = np.zeros((1, 3, _INPUT_HEIGHT, max(_MIN_WIDTH, text_width)), np.float32)
    image[0, :, :, :text_width] = scaled.transpose(2, 0, 1)
    return image, text_width
