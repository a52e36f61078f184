"""How alike two faces are, from their descriptors."""

import math

import numpy as np

from localcloud.rekognition.faces.describer import Descriptor

# The cosine at which it is even whether two faces are one person's, and how quickly that becomes
# certain. Chosen, not measured: there is one photograph of each of two persons here, with a cosine
# of 0.36; changed copies (mirrored, dark, tilted, small, compressed) of one have 0.92 to 0.995.
_EVEN = 0.65
_STEEPNESS = 20.0


def similarity(one: Descriptor, other: Descriptor) -> float:
    """From 0 to 100; Rekognition's users take 80 and more, its default, for the same person."""
    cosine = float(np.dot(one, other))
    return 100 / (1 + math.exp(-_STEEPNESS * (cosine - _EVEN)))
