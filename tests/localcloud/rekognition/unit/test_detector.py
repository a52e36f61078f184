import pytest

from localcloud.rekognition.detector import Box, Detection


def test_the_overlap_of_two_boxes_is_intersection_over_union() -> None:
    box = Box(0.0, 0.0, 0.5, 0.5)
    assert box.overlap(box) == 1
    assert box.overlap(Box(0.25, 0.0, 0.75, 0.5)) == pytest.approx(1 / 3)
    assert box.overlap(Box(0.5, 0.5, 1.0, 1.0)) == 0


def test_mirroring_moves_a_detection_to_the_other_side() -> None:
    mirrored = Detection(17, 0.9, Box(0.1, 0.2, 0.4, 0.8)).mirrored()
    box = mirrored.box
    assert box.left == pytest.approx(0.6)
    assert box.right == pytest.approx(0.9)
    assert (box.top, box.bottom) == (0.2, 0.8)
    assert mirrored.is_same_object(Detection(17, 0.3, Box(0.6, 0.2, 0.9, 0.8)))


def test_detections_of_different_classes_or_places_are_different_objects() -> None:
    cat = Detection(17, 0.9, Box(0.0, 0.0, 0.5, 0.5))
    assert not cat.is_same_object(Detection(18, 0.9, cat.box))
    assert not cat.is_same_object(Detection(17, 0.9, Box(0.5, 0.5, 1.0, 1.0)))
