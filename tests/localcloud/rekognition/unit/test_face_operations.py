"""The operations on faces, with synthetic faces and a collection on disk."""

from pathlib import Path
from typing import Any, cast

import pytest

from localcloud.rekognition.compare_faces import CompareFaces
from localcloud.rekognition.detect_faces import DetectFaces
from localcloud.rekognition.face_collections import FaceCollections
from localcloud.rekognition.face_search import FaceSearch
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.validation import validate_response
from tests.helpers.rekognition.faces import FakeFaces
from tests.helpers.rekognition.images import image_of
from tests.helpers.rekognition.shapes import response_of

WOMAN, SAME_WOMAN, CROWD, NO_FACE = (
    image_of(color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9))
)
PEOPLE = {"CollectionId": "people"}


@pytest.fixture
def faces() -> FakeFaces:
    faces = FakeFaces()
    faces.place(WOMAN, 0.0)
    faces.place(SAME_WOMAN, 0.4)  # the same person in another light
    faces.place(CROWD, 1.2, 0.45, 1.1)
    return faces


@pytest.fixture
def search(faces: FakeFaces, tmp_path: Path) -> FaceSearch:
    collections = FaceCollections(tmp_path / "collections.sqlite")
    collections.create("people")
    return FaceSearch(cast(Any, faces), collections)


def valid(operation: str, response: dict[str, Any]) -> dict[str, Any]:
    validate_response(response, response_of(operation))
    return response


def detected(faces: FakeFaces, *attributes: str) -> dict[str, Any]:
    request = {"Attributes": list(attributes)} if attributes else {}
    response = DetectFaces(cast(Any, faces)).answer(request, WOMAN)
    (detail,) = valid("DetectFaces", response)["FaceDetails"]
    found: dict[str, Any] = detail
    return found


def test_by_default_a_face_has_no_description(faces: FakeFaces) -> None:
    detail = detected(faces)
    assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert [mark["Type"] for mark in detail["Landmarks"]] == ["nose"]


def test_all_attributes_are_those_that_have_a_network(faces: FakeFaces) -> None:
    detail = detected(faces, "ALL")
    assert detail["AgeRange"] == {"Low": 31, "High": 39}
    assert detail["Gender"] == {"Value": "Female", "Confidence": 75}
    assert [emotion["Type"] for emotion in detail["Emotions"]] == ["HAPPY", "CALM"]
    assert len(detail["Landmarks"]) == 2


def test_a_single_attribute_is_returned_alone(faces: FakeFaces) -> None:
    assert {"Gender"} == {"Gender", "AgeRange", "Emotions"} & set(detected(faces, "GENDER"))


def test_face_matches_are_sorted_by_similarity(faces: FakeFaces) -> None:
    request = {"SimilarityThreshold": 0}
    response = CompareFaces(cast(Any, faces)).answer(request, WOMAN, CROWD)
    similarities = [m["Similarity"] for m in valid("CompareFaces", response)["FaceMatches"]]
    assert len(similarities) == 3
    assert similarities == sorted(similarities, reverse=True)


def test_the_default_similarity_threshold_is_80(faces: FakeFaces) -> None:
    response = CompareFaces(cast(Any, faces)).answer({}, WOMAN, CROWD)
    assert (len(response["FaceMatches"]), len(response["UnmatchedFaces"])) == (1, 2)
    assert response["FaceMatches"][0]["Face"]["BoundingBox"]["Left"] == pytest.approx(0.1)


def test_a_source_without_a_face_is_an_error(faces: FakeFaces) -> None:
    with pytest.raises(ServiceError, match="no face"):
        CompareFaces(cast(Any, faces)).answer({}, NO_FACE, WOMAN)


def test_a_target_without_a_face_has_no_match(faces: FakeFaces) -> None:
    response = CompareFaces(cast(Any, faces)).answer({}, WOMAN, NO_FACE)
    assert (response["FaceMatches"], response["UnmatchedFaces"]) == ([], [])


def test_indexing_the_same_image_again_returns_the_same_ids(search: FaceSearch) -> None:
    first, second = (
        valid("IndexFaces", search.index_faces(PEOPLE | {"ExternalImageId": "she"}, WOMAN))
        for _ in range(2)
    )
    assert first["FaceRecords"] == second["FaceRecords"]
    assert search.describe_collection(PEOPLE)["FaceCount"] == 1


def test_a_different_external_id_makes_a_different_face(search: FaceSearch) -> None:
    for external in ("she", "her"):
        search.index_faces(PEOPLE | {"ExternalImageId": external}, WOMAN)
    assert search.describe_collection(PEOPLE)["FaceCount"] == 2


def test_the_largest_faces_are_indexed_and_the_others_reported(search: FaceSearch) -> None:
    response = valid("IndexFaces", search.index_faces(PEOPLE | {"MaxFaces": 2}, CROWD))
    assert len(response["FaceRecords"]) == 2
    assert [face["Reasons"] for face in response["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]


def test_search_results_are_sorted_by_similarity(search: FaceSearch) -> None:
    for image in (WOMAN, CROWD):
        search.index_faces(PEOPLE, image)
    response = valid("SearchFacesByImage", search.search_faces_by_image(PEOPLE, SAME_WOMAN))
    similarities = [match["Similarity"] for match in response["FaceMatches"]]
    assert len(similarities) == 2  # the woman, and the second face of the crowd
    assert similarities == sorted(similarities, reverse=True)
    one = search.search_faces_by_image(PEOPLE | {"MaxFaces": 1}, SAME_WOMAN)
    assert len(one["FaceMatches"]) == 1


def test_a_face_does_not_find_itself(search: FaceSearch) -> None:
    ids = [
        search.index_faces(PEOPLE, image)["FaceRecords"][0]["Face"]["FaceId"]
        for image in (WOMAN, SAME_WOMAN)
    ]
    response = valid("SearchFaces", search.search_faces(PEOPLE | {"FaceId": ids[0]}))
    assert [match["Face"]["FaceId"] for match in response["FaceMatches"]] == [ids[1]]


def test_searching_by_an_image_without_a_face_is_an_error(search: FaceSearch) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException"):
        search.search_faces_by_image(PEOPLE, NO_FACE)


def test_indexing_an_image_without_a_face_adds_none(search: FaceSearch) -> None:
    response = valid("IndexFaces", search.index_faces(PEOPLE, NO_FACE))
    assert (response["FaceRecords"], response["UnindexedFaces"]) == ([], [])


def test_a_list_continues_at_its_next_token(search: FaceSearch) -> None:
    search.index_faces(PEOPLE, CROWD)
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = valid("ListFaces", search.list_faces(PEOPLE | {"MaxResults": 2} | token))
        seen += [face["FaceId"] for face in page["Faces"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(seen) == len(set(seen)) == 3
    chosen = search.list_faces(PEOPLE | {"FaceIds": seen[1:2]})["Faces"]
    assert [face["FaceId"] for face in chosen] == seen[1:2]


def test_users_are_not_supported(search: FaceSearch) -> None:
    with pytest.raises(ServiceError, match="does not support users"):
        search.list_faces(PEOPLE | {"UserId": "somebody"})
