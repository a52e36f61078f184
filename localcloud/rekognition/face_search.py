"""The operations on collections of faces: made, filled, searched, listed, emptied, deleted.

https://docs.aws.amazon.com/rekognition/latest/dg/collections.html

QualityFilter is taken and changes nothing: which faces Amazon holds for too bad is not known.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud.rekognition.compare_faces import largest_face
from localcloud.rekognition.detect_faces import bounding_box, face_detail
from localcloud.rekognition.face_collections import FaceCollections, StoredFace
from localcloud.rekognition.faces.descriptor import Descriptor
from localcloud.rekognition.faces.faces import Faces
from localcloud.rekognition.faces.similarity import similarity
from localcloud.rekognition.images import Picture
from localcloud.rekognition.protocol import ServiceError

# Rekognition's present version, with a name that says who answered.
FACE_MODEL_VERSION = "7.0-local"
DEFAULT_FACE_MATCH_THRESHOLD = 80.0
DEFAULT_MAX_FACES = 80
MAX_RESULTS = 4096

_IDS = uuid.UUID("b8d5b2b6-4a51-4c39-9d2c-6f0a3f3c7c11")


class FaceSearch:
    """Answers the operations; each method takes the validated request and its pictures."""

    def __init__(self, faces: Callable[[], Faces], collections: FaceCollections) -> None:
        self._faces = faces
        self._collections = collections

    def create_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """CreateCollection."""
        collection_id = request["CollectionId"]
        self._collections.create(collection_id)
        return {
            "StatusCode": 200,
            "CollectionArn": _arn(collection_id),
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def describe_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeCollection."""
        collection = self._collections.find(request["CollectionId"])
        return {
            "FaceCount": collection.face_count,
            "FaceModelVersion": FACE_MODEL_VERSION,
            "UserCount": 0,  # users are not kept here
            "CollectionARN": f"arn:{_arn(collection.id)}",
            "CreationTimestamp": collection.created_at.timestamp(),
        }

    def list_collections(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListCollections."""
        ids, token = _page(self._collections.ids(), request)
        return {
            "CollectionIds": ids,
            "FaceModelVersions": [FACE_MODEL_VERSION] * len(ids),
        } | token

    def delete_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteCollection."""
        self._collections.delete(request["CollectionId"])
        return {"StatusCode": 200}

    def index_faces(self, request: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
        """IndexFaces: the largest faces first; indexed again, a face keeps its id."""
        collection_id, faces = request["CollectionId"], self._faces()
        self._collections.find(collection_id)
        asked = set(request.get("DetectionAttributes", ["DEFAULT"]))
        found = faces.find(picture)
        chosen = found[: request.get("MaxFaces", len(found))]
        image_id = str(uuid.uuid5(_IDS, hashlib.sha256(picture.pixels.tobytes()).hexdigest()))
        external = request.get("ExternalImageId")
        stored = []
        for face in chosen:
            descriptor = faces.describe(picture, face)
            face_id = _face_id(collection_id, external, descriptor)
            stored.append(
                StoredFace(face_id, image_id, external, face.box, face.confidence, descriptor)
            )
        self._collections.add(collection_id, stored)
        return {
            "FaceRecords": [
                {"Face": _shown(kept), "FaceDetail": face_detail(faces, picture, face, asked)}
                for kept, face in zip(stored, chosen, strict=True)
            ],
            "UnindexedFaces": [
                {
                    "Reasons": ["EXCEEDS_MAX_FACES"],
                    "FaceDetail": face_detail(faces, picture, face, asked),
                }
                for face in found[len(chosen) :]
            ],
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def search_faces_by_image(self, request: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
        """SearchFacesByImage, for the largest face of the picture."""
        faces = self._faces()
        self._collections.find(request["CollectionId"])
        face = largest_face(faces, picture)
        descriptor = faces.describe(picture, face)
        return {
            "SearchedFaceBoundingBox": bounding_box(face.box),
            "SearchedFaceConfidence": face.confidence,
            "FaceMatches": self._matches(request, descriptor),
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def search_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """SearchFaces: faces like one of the collection, which is not among them."""
        stored = self._collections.faces(request["CollectionId"])
        searched = next((face for face in stored if face.id == request["FaceId"]), None)
        if searched is None:
            raise ServiceError(
                "InvalidParameterException",
                f"Request has invalid parameters: no face {request['FaceId']} in the collection",
            )
        return {
            "SearchedFaceId": searched.id,
            "FaceMatches": self._matches(request, searched.descriptor, without=searched.id),
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def list_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListFaces."""
        if "UserId" in request:
            raise ServiceError(
                "InvalidParameterException",
                "Request has invalid parameters: the local Rekognition keeps no users",
            )
        stored = self._collections.faces(request["CollectionId"])
        wanted = request.get("FaceIds")
        chosen = [face for face in stored if wanted is None or face.id in wanted]
        page, token = _page(chosen, request)
        shown = [_shown(face) for face in page]
        return {"Faces": shown, "FaceModelVersion": FACE_MODEL_VERSION} | token

    def delete_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteFaces."""
        deleted = self._collections.remove(request["CollectionId"], request["FaceIds"])
        unknown = [face_id for face_id in request["FaceIds"] if face_id not in deleted]
        return {
            "DeletedFaces": deleted,
            "UnsuccessfulFaceDeletions": [
                {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in unknown
            ],
        }

    def _matches(
        self, request: Mapping[str, Any], descriptor: Descriptor, without: str = ""
    ) -> list[dict[str, Any]]:
        least = request.get("FaceMatchThreshold", DEFAULT_FACE_MATCH_THRESHOLD)
        alike = (
            (similarity(descriptor, face.descriptor), face)
            for face in self._collections.faces(request["CollectionId"])
            if face.id != without
        )
        matches = sorted(
            ((how, face) for how, face in alike if how >= least), key=lambda match: -match[0]
        )
        return [
            {"Similarity": how, "Face": _shown(face)}
            for how, face in matches[: request.get("MaxFaces", DEFAULT_MAX_FACES)]
        ]


def _shown(face: StoredFace) -> dict[str, Any]:
    shown = {
        "FaceId": face.id,
        "BoundingBox": bounding_box(face.box),
        "ImageId": face.image_id,
        "Confidence": face.confidence,
    }
    return shown | ({"ExternalImageId": face.external_image_id} if face.external_image_id else {})


def _face_id(collection_id: str, external: str | None, descriptor: Descriptor) -> str:
    """The same for the same face under the same external id."""
    known = f"{collection_id}\n{external or ''}\n{descriptor.round(3).tobytes().hex()}"
    return str(uuid.uuid5(_IDS, known))


def _page(
    everything: Sequence[Any], request: Mapping[str, Any]
) -> tuple[list[Any], dict[str, str]]:
    """A part of a list from NextToken on, and the next one's token where there is more."""
    token = request.get("NextToken", "0")
    if not token.isdecimal() or int(token) > len(everything):
        raise ServiceError("InvalidPaginationTokenException", "The pagination token is not valid")
    start = int(token)
    end = start + (request.get("MaxResults") or MAX_RESULTS)
    more = {"NextToken": str(end)} if end < len(everything) else {}
    return list(everything[start:end]), more


def _arn(collection_id: str) -> str:
    """As CreateCollection shows it: without the "arn:" that DescribeCollection begins with."""
    return f"aws:rekognition:us-east-1:000000000000:collection/{collection_id}"
