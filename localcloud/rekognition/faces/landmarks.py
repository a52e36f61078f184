"""Rekognition's landmarks, as points of the mesh.

Left and right are the picture's. The pupils are not among the mesh's points: see `pupils`.
"""

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.rectangle import Points

# The five that are told by default.
DEFAULT_LANDMARKS = ("eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose")

# An eye is the mean of its corners and lids; every other landmark is one point.
_POINTS = {
    "eyeLeft": (33, 133, 159, 145),
    "eyeRight": (362, 263, 386, 374),
    "mouthLeft": (61,),
    "mouthRight": (291,),
    "nose": (1,),
    "leftEyeBrowLeft": (70,),
    "leftEyeBrowUp": (105,),
    "leftEyeBrowRight": (107,),
    "rightEyeBrowLeft": (336,),
    "rightEyeBrowUp": (334,),
    "rightEyeBrowRight": (300,),
    "leftEyeLeft": (33,),
    "leftEyeRight": (133,),
    "leftEyeUp": (159,),
    "leftEyeDown": (145,),
    "rightEyeLeft": (362,),
    "rightEyeRight": (263,),
    "rightEyeUp": (386,),
    "rightEyeDown": (374,),
    "noseLeft": (98,),
    "noseRight": (327,),
    "mouthUp": (0,),
    "mouthDown": (17,),
    "upperJawlineLeft": (234,),
    "midJawlineLeft": (172,),
    "chinBottom": (152,),
    "midJawlineRight": (397,),
    "upperJawlineRight": (454,),
}
ALL_OF_MESH = tuple(_POINTS)


def point_of(mesh: Mesh, landmark: str) -> Points:
    """A landmark's x and y in pixels of the picture; beyond its edge they exceed it."""
    point: Points = mesh.points[list(_POINTS[landmark]), :2].mean(axis=0)
    return point
