"""Rekognition's landmarks, as points of the mesh.

Left and right are the picture's. The pupils are not among the mesh's 468 points and are left out.
"""

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.images import Picture

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
ALL_LANDMARKS = tuple(_POINTS)


def landmarks_of(
    mesh: Mesh, picture: Picture, names: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    """Landmarks by name, x and y in ratios of the picture; beyond its edge they exceed 0 to 1."""
    found = {}
    for name in names:
        x, y = mesh.points[list(_POINTS[name]), :2].mean(axis=0).tolist()
        found[name] = x / picture.width, y / picture.height
    return found
