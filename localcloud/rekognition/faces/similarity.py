"""How alike two faces are, from their descriptors."""

import math

import numpy as np

from localcloud.rekognition.faces.descriptor import Descriptor

# The network's maker takes a distance of 0.6 for the border between one person and two. Here the
# border is stricter: 0.5 is a similarity of 80, which Rekognition's users take for one person by
# default. Distances seen (docs/local-rekognition.md): photographs of one man 0.44 at most, faces
# of different people 0.54 and more.
_EVEN = 0.55
_STEEPNESS = 28.0


def similarity(one: Descriptor, other: Descriptor) -> float:
    """From 0 to 100, 50 where it is even whether two faces are one person's."""
    distance = float(np.linalg.norm(one - other))
    return 100 / (1 + math.exp(_STEEPNESS * (distance - _EVEN)))
