"""Maps Rekognition's landmarks to points of the face mesh.

Left and right are the image's. The pupils are not in the mesh; `pupils` finds them.
"""

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.rectangle import Points

# The landmarks that Rekognition returns by default.
DEFAULT_LANDMARKS = ("eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose")

# An eye is the mean of its corners and lids; every other landmark is a single mesh point.
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
    """A landmark's x and y in image pixels; they can lie outside of the image."""
    point: Points = mesh.points[list(_POINTS[landmark]), :2].mean(axis=0)
    return point
