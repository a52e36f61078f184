"""Operations on faces as a client sees them, with two photographs of people and altered copies."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.helpers.rekognition_process import (
    encoded,
    error_of,
    new_client,
    opened,
    photograph,
    running_server,
)

WOMAN, MAN = "astronaut.png", "cameraman-grey.png"
# Left, top, right and bottom of each head, judged by eye: ratios of the image's width and height.
HEADS = {WOMAN: (0.30, 0.02, 0.60, 0.40), MAN: (0.32, 0.14, 0.56, 0.42)}
WITHOUT_FACES = ("chelsea-cat.png", "coffee.png", "dahlia.jpg", "pagoda.jpg", "rocket.jpg")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    collections = tmp_path_factory.mktemp("faces") / "collections.sqlite"
    with running_server("--collections", str(collections)) as url:
        yield url, collections


@pytest.fixture(scope="module")
def client(server: tuple[str, Path]) -> Any:
    return new_client(server[0])


numbers = itertools.count()


@pytest.fixture
def collection(client: Any) -> Iterator[str]:
    name = f"people-{next(numbers)}"
    client.create_collection(CollectionId=name)
    yield name
    if name in client.list_collections()["CollectionIds"]:
        client.delete_collection(CollectionId=name)


def faces(client: Any, content: bytes, *attributes: str) -> list[dict[str, Any]]:
    request = {"Attributes": list(attributes)} if attributes else {}
    found: list[dict[str, Any]] = client.detect_faces(Image={"Bytes": content}, **request)[
        "FaceDetails"
    ]
    return found


@pytest.mark.parametrize("name", HEADS)
def test_the_only_face_is_found_at_the_head(client: Any, name: str) -> None:
    (face,) = faces(client, photograph(name))
    left, top, right, bottom = HEADS[name]
    box = face["BoundingBox"]
    assert left <= box["Left"] <= box["Left"] + box["Width"] <= right
    assert top <= box["Top"] <= box["Top"] + box["Height"] <= bottom
    assert face["Confidence"] > 95


@pytest.mark.parametrize("name", WITHOUT_FACES)
def test_an_image_without_people_has_no_face(client: Any, name: str) -> None:
    assert faces(client, photograph(name)) == []


def test_by_default_a_face_has_five_landmarks_in_plausible_positions(client: Any) -> None:
    (face,) = faces(client, photograph(WOMAN))
    assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    marks = {mark["Type"]: mark for mark in face["Landmarks"]}
    assert set(marks) == {"eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"}
    assert marks["eyeLeft"]["X"] < marks["nose"]["X"] < marks["eyeRight"]["X"]
    assert marks["eyeLeft"]["Y"] < marks["nose"]["Y"] < marks["mouthLeft"]["Y"]
    assert marks["mouthLeft"]["X"] < marks["mouthRight"]["X"]


def test_with_all_attributes_a_smiling_woman_is_described_as_one(client: Any) -> None:
    (face,) = faces(client, photograph(WOMAN), "ALL")
    assert 15 <= face["AgeRange"]["Low"] < face["AgeRange"]["High"] <= 70
    assert face["Gender"]["Value"] == "Female"
    assert face["Emotions"][0]["Type"] == "HAPPY"
    assert sum(emotion["Confidence"] for emotion in face["Emotions"]) == pytest.approx(100, abs=0.1)
    assert len(face["Landmarks"]) > 20
    assert "Smile" not in face  # no model detects it


def test_single_attributes_can_be_requested(client: Any) -> None:
    (face,) = faces(client, photograph(WOMAN), "DEFAULT", "EMOTIONS")
    assert "Emotions" in face
    assert not {"AgeRange", "Gender"} & set(face)


def test_the_pose_shows_how_far_a_head_is_tilted(client: Any) -> None:
    straight = opened(WOMAN)
    (upright,) = faces(client, encoded(straight))
    (tilted,) = faces(client, encoded(straight.rotate(-20)))
    assert tilted["Pose"]["Roll"] - upright["Pose"]["Roll"] == pytest.approx(20, abs=6)


def test_quality_drops_for_dark_and_blurred_faces(client: Any) -> None:
    image = opened(WOMAN)
    (plain,) = faces(client, encoded(image))
    (dark,) = faces(client, encoded(ImageEnhance.Brightness(image).enhance(0.6)))
    small = image.resize((image.width // 3, image.height // 3)).resize(image.size)
    (blurred,) = faces(client, encoded(small))
    assert dark["Quality"]["Brightness"] < plain["Quality"]["Brightness"] * 0.8
    assert blurred["Quality"]["Sharpness"] < plain["Quality"]["Sharpness"] * 0.8


def test_two_people_in_one_image_are_two_faces_with_the_largest_first(client: Any) -> None:
    woman, man = opened(WOMAN), opened(MAN)
    both = Image.new("RGB", (woman.width + man.width, max(woman.height, man.height)))
    both.paste(man, (0, 0))
    both.paste(woman, (man.width, 0))
    found = faces(client, encoded(both))
    areas = [face["BoundingBox"]["Width"] * face["BoundingBox"]["Height"] for face in found]
    assert len(found) == 2
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.mirror,
        lambda image: image.rotate(10),
        lambda image: ImageEnhance.Brightness(image).enhance(0.6),
        lambda image: image.convert("L").convert("RGB"),
    ],
    ids=["mirrored", "tilted", "dark", "gray"],
)
def test_an_altered_copy_matches_the_same_person_and_no_other(client: Any, change: Any) -> None:
    same = client.compare_faces(
        SourceImage={"Bytes": photograph(WOMAN)},
        TargetImage={"Bytes": encoded(change(opened(WOMAN)))},
    )
    assert [match["Similarity"] >= 80 for match in same["FaceMatches"]] == [True]
    assert same["UnmatchedFaces"] == []
    other = client.compare_faces(
        SourceImage={"Bytes": photograph(WOMAN)},
        TargetImage={"Bytes": encoded(change(opened(MAN)))},
    )
    assert (other["FaceMatches"], len(other["UnmatchedFaces"])) == ([], 1)


def test_comparing_a_source_image_without_a_face_is_an_error(client: Any) -> None:
    status, code, _ = error_of(
        client.compare_faces,
        SourceImage={"Bytes": photograph("coffee.png")},
        TargetImage={"Bytes": photograph(WOMAN)},
    )
    assert (status, code) == (400, "InvalidParameterException")


def test_a_person_is_found_in_a_collection_by_another_image(client: Any, collection: str) -> None:
    for name, who in ((WOMAN, "the-woman"), (MAN, "the-man")):
        client.index_faces(
            CollectionId=collection, Image={"Bytes": photograph(name)}, ExternalImageId=who
        )
    response = client.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": encoded(ImageOps.mirror(opened(WOMAN)))}
    )
    assert [match["Face"]["ExternalImageId"] for match in response["FaceMatches"]] == ["the-woman"]
    everybody = client.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": photograph(WOMAN)}, FaceMatchThreshold=0
    )
    found = [match["Face"]["ExternalImageId"] for match in everybody["FaceMatches"]]
    assert found == ["the-woman", "the-man"]


def test_a_face_indexed_twice_is_stored_once(client: Any, collection: str) -> None:
    for _ in range(2):
        client.index_faces(CollectionId=collection, Image={"Bytes": photograph(WOMAN)})
    assert client.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_faces_are_listed_in_pages_and_deleted(client: Any, collection: str) -> None:
    for name in (WOMAN, MAN):
        client.index_faces(CollectionId=collection, Image={"Bytes": photograph(name)})
    first = client.list_faces(CollectionId=collection, MaxResults=1)
    rest = client.list_faces(CollectionId=collection, NextToken=first["NextToken"])
    ids = [face["FaceId"] for face in first["Faces"] + rest["Faces"]]
    assert len(set(ids)) == 2
    assert "NextToken" not in rest
    unknown = "00000000-0000-0000-0000-000000000000"
    response = client.delete_faces(CollectionId=collection, FaceIds=[ids[0], unknown])
    assert response["DeletedFaces"] == [ids[0]]
    assert [each["FaceId"] for each in response["UnsuccessfulFaceDeletions"]] == [unknown]
    assert [f["FaceId"] for f in client.list_faces(CollectionId=collection)["Faces"]] == [ids[1]]


def test_faces_beyond_max_faces_are_reported_and_not_stored(client: Any, collection: str) -> None:
    woman, man = opened(WOMAN), opened(MAN)
    both = Image.new("RGB", (woman.width + man.width, max(woman.height, man.height)))
    both.paste(man, (0, 0))
    both.paste(woman, (man.width, 0))
    response = client.index_faces(
        CollectionId=collection, Image={"Bytes": encoded(both)}, MaxFaces=1
    )
    assert len(response["FaceRecords"]) == 1
    assert [each["Reasons"] for each in response["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]
    assert client.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_a_collection_outlives_the_server(client: Any, collection: str, server: Any) -> None:
    client.index_faces(CollectionId=collection, Image={"Bytes": photograph(WOMAN)})
    with running_server("--collections", str(server[1])) as url:
        assert new_client(url).describe_collection(CollectionId=collection)["FaceCount"] == 1


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("describe_collection", {}),
        ("delete_collection", {}),
        ("list_faces", {}),
        ("delete_faces", {"FaceIds": ["00000000-0000-0000-0000-000000000000"]}),
        ("index_faces", {"Image": {"Bytes": photograph(WOMAN)}}),
        ("search_faces_by_image", {"Image": {"Bytes": photograph(WOMAN)}}),
        ("search_faces", {"FaceId": "00000000-0000-0000-0000-000000000000"}),
    ],
)
def test_a_missing_collection_is_an_error(
    client: Any, operation: str, parameters: dict[str, Any]
) -> None:
    status, code, _ = error_of(
        getattr(client, operation), CollectionId="no-such-people", **parameters
    )
    assert (status, code) == (400, "ResourceNotFoundException")


def test_creating_an_existing_collection_is_an_error(client: Any, collection: str) -> None:
    _, code, _ = error_of(client.create_collection, CollectionId=collection)
    assert code == "ResourceAlreadyExistsException"


def test_an_invalid_name_or_token_is_rejected(client: Any, collection: str) -> None:
    assert error_of(client.create_collection, CollectionId="no spaces")[1] == "ValidationException"
    _, code, _ = error_of(client.list_faces, CollectionId=collection, NextToken="next")
    assert code == "InvalidPaginationTokenException"


@pytest.mark.parametrize("name", [WOMAN, MAN, *WITHOUT_FACES])
def test_harmless_photographs_have_no_moderation_label(client: Any, name: str) -> None:
    response = client.detect_moderation_labels(Image={"Bytes": photograph(name)})
    assert response["ModerationLabels"] == []
    assert "explicit-only" in response["ModerationModelVersion"]


def test_moderation_returns_its_confidence_at_min_confidence_0(client: Any) -> None:
    (label,) = client.detect_moderation_labels(Image={"Bytes": photograph(WOMAN)}, MinConfidence=0)[
        "ModerationLabels"
    ]
    assert (label["Name"], label["ParentName"], label["TaxonomyLevel"]) == ("Explicit", "", 1)
    assert 0 <= label["Confidence"] < 50


def test_recognizing_celebrities_is_not_implemented(client: Any) -> None:
    status, code, message = error_of(
        client.recognize_celebrities, Image={"Bytes": photograph(WOMAN)}
    )
    assert (status, code) == (501, "NotImplementedException")
    assert "no model" in message
