"""Collections of faces, kept on disk: descriptors by collection and face id."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from localcloud.rekognition.detector import Box
from localcloud.rekognition.faces.descriptor import Descriptor
from localcloud.rekognition.protocol import ServiceError

_TABLES = """
    CREATE TABLE IF NOT EXISTS collections (id TEXT PRIMARY KEY, created_at REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS faces (
        collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        id TEXT NOT NULL, image_id TEXT NOT NULL, external_image_id TEXT,
        "left" REAL, top REAL, "right" REAL, bottom REAL, confidence REAL, descriptor BLOB,
        PRIMARY KEY (collection_id, id)
    );
"""


# Descriptors of different networks cannot be compared: to be raised with another network.
_DESCRIBED_BY = 2


@dataclass(frozen=True)
class StoredFace:
    """A face of a collection; `confidence` 0 to 100 that it is a face."""

    id: str
    image_id: str
    external_image_id: str | None
    box: Box
    confidence: float
    descriptor: Descriptor


@dataclass(frozen=True)
class Collection:
    """A collection, and how many faces it has."""

    id: str
    created_at: datetime
    face_count: int


class FaceCollections:
    """The collections in one SQLite file; safe to use from many threads and after a restart.

    Faces that another network described are forgotten when the file is opened; their collections
    stay.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.executescript(_TABLES)
            if connection.execute("PRAGMA user_version").fetchone()[0] != _DESCRIBED_BY:
                connection.execute("DELETE FROM faces")
                connection.execute(f"PRAGMA user_version = {_DESCRIBED_BY}")

    def create(self, collection_id: str) -> None:
        """Raises ServiceError ResourceAlreadyExistsException."""
        with self._connected() as connection:
            try:
                values = (collection_id, datetime.now(UTC).timestamp())
                connection.execute("INSERT INTO collections VALUES (?, ?)", values)
            except sqlite3.IntegrityError:
                raise ServiceError(
                    "ResourceAlreadyExistsException",
                    f"The collection id: {collection_id} already exists",
                ) from None

    def find(self, collection_id: str) -> Collection:
        """Raises ServiceError ResourceNotFoundException."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT created_at, (SELECT count(*) FROM faces WHERE collection_id = ?) "
                "FROM collections WHERE id = ?",
                (collection_id, collection_id),
            ).fetchone()
        if row is None:
            raise ServiceError(
                "ResourceNotFoundException", f"The collection id: {collection_id} does not exist"
            )
        return Collection(collection_id, datetime.fromtimestamp(row[0], UTC), row[1])

    def delete(self, collection_id: str) -> None:
        """With its faces. Raises ServiceError ResourceNotFoundException."""
        self.find(collection_id)
        with self._connected() as connection:
            connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))

    def ids(self) -> list[str]:
        """Every collection's id, in order."""
        with self._connected() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM collections ORDER BY id")]

    def add(self, collection_id: str, faces: Sequence[StoredFace]) -> None:
        """Keep faces; one that is there already stays. Raises ResourceNotFoundException."""
        self.find(collection_id)
        rows = [
            (
                *(collection_id, face.id, face.image_id, face.external_image_id),
                *(face.box.left, face.box.top, face.box.right, face.box.bottom),
                *(face.confidence, face.descriptor.astype("<f4").tobytes()),
            )
            for face in faces
        ]
        with self._connected() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO faces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def faces(self, collection_id: str) -> list[StoredFace]:
        """All faces in the order of their ids. Raises ResourceNotFoundException."""
        self.find(collection_id)
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT * FROM faces WHERE collection_id = ? ORDER BY id", (collection_id,)
            ).fetchall()
        return [
            StoredFace(row[1], row[2], row[3], Box(*row[4:8]), row[8], np.frombuffer(row[9], "<f4"))
            for row in rows
        ]

    def remove(self, collection_id: str, face_ids: Sequence[str]) -> list[str]:
        """Those of the faces that were there and are removed. Raises ResourceNotFoundException."""
        self.find(collection_id)
        with self._connected() as connection:
            return [
                face_id
                for face_id in face_ids
                if connection.execute(
                    "DELETE FROM faces WHERE collection_id = ? AND id = ?", (collection_id, face_id)
                ).rowcount
            ]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection; what was written is kept if no error came."""
        with closing(sqlite3.connect(self._file, timeout=10)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
