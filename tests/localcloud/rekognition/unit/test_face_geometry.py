import numpy as np
import pytest

from localcloud.rekognition.faces.descriptor import aligned_square
from localcloud.rekognition.faces.landmarks import ALL_OF_MESH, DEFAULT_LANDMARKS, point_of
from localcloud.rekognition.faces.pose import pose_of
from localcloud.rekognition.faces.similarity import similarity
from tests.helpers.rekognition.faces import descriptor_at, mesh_at
from tests.helpers.rekognition.shapes import response_of


def test_a_face_that_looks_at_the_viewer_has_no_rotation() -> None:
    pose = pose_of(mesh_at(50, 50))
    assert (pose.roll, pose.yaw, pose.pitch) == pytest.approx((0, 0, 0), abs=1e-6)


@pytest.mark.parametrize(
    ("axis", "degrees", "turned"),
    [
        ("z", 20, {"roll": 20}),
        ("z", -70, {"roll": -70}),
        ("z", 150, {"roll": 150}),
        ("y", 40, {"yaw": 40}),
        ("y", -40, {"yaw": -40}),
        ("x", 30, {"pitch": -30}),
        ("x", -30, {"pitch": 30}),
    ],
)
def test_each_angle_is_measured_independently(
    axis: str, degrees: float, turned: dict[str, float]
) -> None:
    pose = pose_of(mesh_at(50, 50, degrees=degrees, axis=axis))
    expected = {"roll": 0.0, "yaw": 0.0, "pitch": 0.0} | turned
    found = {"roll": pose.roll, "yaw": pose.yaw, "pitch": pose.pitch}
    assert found == pytest.approx(expected, abs=1e-6)


def test_an_eye_is_at_the_center_of_its_corners_and_lids() -> None:
    mesh = mesh_at(50, 60)
    assert point_of(mesh, "eyeLeft").tolist() == [30, 40]
    assert point_of(mesh, "nose").tolist() == [50, 60]


def test_the_landmarks_and_pupils_are_rekognitions_thirty() -> None:
    details = response_of("DetectFaces").members["FaceDetails"].member
    documented = set(details.members["Landmarks"].member.members["Type"].enum)
    assert {*ALL_OF_MESH, "leftPupil", "rightPupil"} == documented
    assert set(DEFAULT_LANDMARKS) <= documented


@pytest.mark.parametrize("degrees", [0, 35, 180])
def test_the_aligned_square_is_independent_of_the_tilt_of_the_head(degrees: float) -> None:
    mesh = mesh_at(50, 60, degrees=degrees)
    square = aligned_square(mesh)
    start = square.corners()[0]
    # The mean of both eyes (20 above the nose) and the mouth (25 below) is 5 above the nose, and
    # belongs at 0.43 of a side of 109.
    for landmark, (along, across) in {"eyeLeft": (0.32, 0.29), "nose": (0.5, 0.48)}.items():
        offset = (point_of(mesh, landmark) - start) / square.length
        assert offset @ np.array(square.along) == pytest.approx(along, abs=0.01)
        assert offset @ np.array(square.across) == pytest.approx(across, abs=0.01)


def test_similarity_falls_with_distance_and_is_80_at_one_half() -> None:
    similarities = [similarity(descriptor_at(0), descriptor_at(d)) for d in (0, 0.5, 0.55, 0.6, 2)]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[0] > 99.9
    assert similarities[1] == pytest.approx(80, abs=0.5)
    assert similarities[2] == pytest.approx(50)
    assert 0 <= similarities[4] < 0.01
