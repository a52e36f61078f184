"""The similarity of two faces, from their descriptors."""

import math

import numpy as np

from localcloud.rekognition.faces.descriptor import Descriptor

# The network's author treats distances up to 0.6 as the same person. This mapping is stricter: a
# distance of 0.5 is a similarity of 80, Rekognition's default threshold. Measured distances
# (docs/local-rekognition.md): at most 0.44 between photographs of one man, at least 0.54 between
# faces of different people.
_EVEN_DISTANCE = 0.55
_STEEPNESS = 28.0


def similarity(one: Descriptor, other: Descriptor) -> float:
    """The similarity, 0 to 100; 50 means that one person and two are equally likely.

    A logistic function of the Euclidean distance between the descriptors.
    """
    distance = float(np.linalg.norm(one - other))
    return 100 / (1 + math.exp(_STEEPNESS * (distance - _EVEN_DISTANCE)))
