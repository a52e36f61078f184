"""Face descriptors, which tell people apart: dlib's ResNet.

The network was trained on 3 million faces of 7485 people. It maps the faces of one person into a
ball of radius 0.6 in 128 dimensions; on the LFW benchmark that classifies 99.38 % of pairs
correctly: https://github.com/davisking/dlib-models
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.faces.landmarks import point_of
from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle, cut_out

DESCRIPTOR_SIZE = 128
_INPUT_SIDE = 150
# The mean color of the faces that the network was trained on.
_MEAN = np.array([122.782, 117.001, 104.298], np.float32)
# How a face is aligned in the network's input, as ratios of its side: the distance from eyes to
# mouth, and the position of their center below the top (face-api.js, src/classes/FaceLandmarks.ts).
_EYES_TO_MOUTH = 0.45
_CENTER_FROM_TOP = 0.43

Descriptor = NDArray[np.float32]


class FaceDescriber:
    """The descriptor network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def describe(self, image: DecodedImage, mesh: Mesh) -> Descriptor:
        """The descriptor [128] of a face: the mean of those of the image and its mirror image."""
        pixels = cut_out(image, aligned_square(mesh))
        passes = [self._run(pixels), self._run(np.ascontiguousarray(pixels[:, ::-1]))]
        descriptor: Descriptor = np.mean(passes, axis=0, dtype=np.float32)
        return descriptor

    def _run(self, pixels: Pixels) -> Descriptor:
        side = (_INPUT_SIDE, _INPUT_SIDE)
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
        image = (np.asarray(resized, np.float32) - _MEAN) / 255
        (descriptors,) = self._session.run(
            ["descriptor"], {"image": image.transpose(2, 0, 1)[None]}
        )
        descriptor: Descriptor = descriptors[0]
        return descriptor


def aligned_square(mesh: Mesh) -> Rectangle:
    """The rotated square, in image pixels, in which the face is aligned as the network expects."""
    left, right = point_of(mesh, "eyeLeft"), point_of(mesh, "eyeRight")
    mouth = (point_of(mesh, "mouthLeft") + point_of(mesh, "mouthRight")) / 2
    to_mouth = (np.linalg.norm(mouth - left) + np.linalg.norm(mouth - right)) / 2
    side = max(1.0, float(to_mouth) / _EYES_TO_MOUTH)
    along = (right - left) / (np.linalg.norm(right - left) or 1.0)
    down = np.array([-along[1], along[0]])
    x, y = ((left + right + mouth) / 3 + down * (0.5 - _CENTER_FROM_TOP) * side).tolist()
    return Rectangle((x, y), (float(along[0]), float(along[1])), side, side)
