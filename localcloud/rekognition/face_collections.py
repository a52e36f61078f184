"""Face collections in an SQLite file: faces and their descriptors, by collection and face id."""

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


# Descriptors of different networks cannot be compared: increment this when the network changes.
_DESCRIPTOR_VERSION = 2


@dataclass(frozen=True)
class StoredFace:
    """A face in a collection; `confidence` (0 to 100) is that it is a face."""

    id: str
    image_id: str
    external_image_id: str | None
    box: Box
    confidence: float
    descriptor: Descriptor


@dataclass(frozen=True)
class Collection:
    """A collection, with its creation time (UTC) and its number of faces."""

    id: str
    created_at: datetime
    face_count: int


class FaceCollections:
    """The face collections in one SQLite file; thread-safe and persistent.

    Opening the file deletes faces whose descriptors are from another network; their collections
    stay.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.executescript(_TABLES)
            if connection.execute("PRAGMA user_version").fetchone()[0] != _DESCRIPTOR_VERSION:
                connection.execute("DELETE FROM faces")
                connection.execute(f"PRAGMA user_version = {_DESCRIPTOR_VERSION}")

    def create(self, collection_id: str) -> None:
        """Create an empty collection; raises ServiceError ResourceAlreadyExistsException."""
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
        """The collection; raises ServiceError ResourceNotFoundException."""
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
        """Delete a collection and its faces; raises ServiceError ResourceNotFoundException."""
        self.find(collection_id)
        with self._connected() as connection:
            connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))

    def ids(self) -> list[str]:
        """The ids of all collections, sorted."""
        with self._connected() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM collections ORDER BY id")]

    def add(self, collection_id: str, faces: Sequence[StoredFace]) -> None:
        """Add faces, skipping ids already there; raises ServiceError ResourceNotFoundException."""
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
        """All faces, sorted by id; raises ServiceError ResourceNotFoundException."""
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
        """Remove faces; the ids of those removed. Raises ServiceError ResourceNotFoundException."""
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
        """Open a connection; commit at the end, or roll back on an exception."""
        with closing(sqlite3.connect(self._file, timeout=10)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
