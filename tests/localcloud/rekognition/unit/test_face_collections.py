import sqlite3
from pathlib import Path

import pytest

from localcloud.rekognition.detector import Box
from localcloud.rekognition.face_collections import FaceCollections, StoredFace
from localcloud.rekognition.protocol import ServiceError
from tests.helpers.rekognition.faces import descriptor_at

BOX = Box(0.1, 0.2, 0.3, 0.4)


def face(number: int) -> StoredFace:
    name = f"00000000-0000-0000-0000-{number:012}"
    return StoredFace(name, name, None, BOX, 99.5, descriptor_at(number / 10))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "collections.sqlite"


def test_faces_survive_reopening_the_file(file: Path) -> None:
    collections = FaceCollections(file)
    collections.create("people")
    collections.add("people", [face(2), face(1)])
    (one, two) = FaceCollections(file).faces("people")
    assert (one.id, two.id) == (face(1).id, face(2).id)
    assert (one.box, one.confidence, one.external_image_id) == (BOX, 99.5, None)
    assert one.descriptor.tolist() == face(1).descriptor.tolist()
    assert FaceCollections(file).find("people").face_count == 2


def test_adding_a_stored_face_again_does_not_duplicate_it(file: Path) -> None:
    collections = FaceCollections(file)
    collections.create("people")
    collections.add("people", [face(1)])
    collections.add("people", [face(1), face(2)])
    assert collections.find("people").face_count == 2


def test_collections_do_not_share_faces(file: Path) -> None:
    collections = FaceCollections(file)
    for name in ("one", "two"):
        collections.create(name)
        collections.add(name, [face(1)])
    assert collections.remove("one", [face(1).id, face(2).id]) == [face(1).id]
    assert collections.find("two").face_count == 1


def test_deleting_a_collection_deletes_its_faces(file: Path) -> None:
    collections = FaceCollections(file)
    collections.create("people")
    collections.add("people", [face(1)])
    collections.delete("people")
    assert collections.ids() == []
    collections.create("people")
    assert collections.faces("people") == []


def test_missing_and_duplicate_collections_are_errors(file: Path) -> None:
    collections = FaceCollections(file)
    for call in (
        lambda: collections.find("people"),
        lambda: collections.faces("people"),
        lambda: collections.delete("people"),
        lambda: collections.add("people", [face(1)]),
        lambda: collections.remove("people", [face(1).id]),
    ):
        with pytest.raises(ServiceError, match="ResourceNotFoundException"):
            call()
    collections.create("people")
    with pytest.raises(ServiceError, match="ResourceAlreadyExistsException"):
        collections.create("people")


def test_faces_described_by_another_network_are_deleted(file: Path) -> None:
    collections = FaceCollections(file)
    collections.create("people")
    collections.add("people", [face(1)])
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert FaceCollections(file).find("people").face_count == 0
