"""The operations on face collections: create, describe, list, delete, index, search.

https://docs.aws.amazon.com/rekognition/latest/dg/collections.html

QualityFilter is accepted but has no effect, because Amazon does not publish its quality bar.
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
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.protocol import ServiceError

# Rekognition's current version, marked as local.
FACE_MODEL_VERSION = "7.0-local"
DEFAULT_FACE_MATCH_THRESHOLD = 80.0
DEFAULT_MAX_FACES = 80
MAX_RESULTS = 4096

_IDS = uuid.UUID("b8d5b2b6-4a51-4c39-9d2c-6f0a3f3c7c11")


class FaceSearch:
    """Answers the operations; each method takes the validated request and its decoded images.

    Each method returns the response and raises ServiceError with Rekognition's code, such as
    ResourceNotFoundException for an unknown collection.
    """

    def __init__(self, faces: Callable[[], Faces], collections: FaceCollections) -> None:
        self._faces = faces
        self._collections = collections

    def create_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """CreateCollection: an empty collection."""
        collection_id = request["CollectionId"]
        self._collections.create(collection_id)
        return {
            "StatusCode": 200,
            "CollectionArn": _arn(collection_id),
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def describe_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeCollection: its number of faces and its creation time."""
        collection = self._collections.find(request["CollectionId"])
        return {
            "FaceCount": collection.face_count,
            "FaceModelVersion": FACE_MODEL_VERSION,
            "UserCount": 0,  # users are not supported
            "CollectionARN": f"arn:{_arn(collection.id)}",
            "CreationTimestamp": collection.created_at.timestamp(),
        }

    def list_collections(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListCollections: a page of collection ids, sorted."""
        ids, token = _page(self._collections.ids(), request)
        return {
            "CollectionIds": ids,
            "FaceModelVersions": [FACE_MODEL_VERSION] * len(ids),
        } | token

    def delete_collection(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteCollection: deletes its faces too."""
        self._collections.delete(request["CollectionId"])
        return {"StatusCode": 200}

    def index_faces(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        """IndexFaces: at most MaxFaces faces, largest first; a face indexed again keeps its id."""
        collection_id, faces = request["CollectionId"], self._faces()
        self._collections.find(collection_id)
        requested = set(request.get("DetectionAttributes", ["DEFAULT"]))
        found = faces.find(image)
        chosen = found[: request.get("MaxFaces", len(found))]
        image_id = str(uuid.uuid5(_IDS, hashlib.sha256(image.pixels.tobytes()).hexdigest()))
        external = request.get("ExternalImageId")
        stored = []
        for face in chosen:
            descriptor = faces.describe(image, face)
            face_id = _face_id(collection_id, external, descriptor)
            stored.append(
                StoredFace(face_id, image_id, external, face.box, face.confidence, descriptor)
            )
        self._collections.add(collection_id, stored)
        return {
            "FaceRecords": [
                {
                    "Face": _as_response(kept),
                    "FaceDetail": face_detail(faces, image, face, requested),
                }
                for kept, face in zip(stored, chosen, strict=True)
            ],
            "UnindexedFaces": [
                {
                    "Reasons": ["EXCEEDS_MAX_FACES"],
                    "FaceDetail": face_detail(faces, image, face, requested),
                }
                for face in found[len(chosen) :]
            ],
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def search_faces_by_image(
        self, request: Mapping[str, Any], image: DecodedImage
    ) -> dict[str, Any]:
        """SearchFacesByImage: the faces most similar to the largest face in the image."""
        faces = self._faces()
        self._collections.find(request["CollectionId"])
        face = largest_face(faces, image)
        descriptor = faces.describe(image, face)
        return {
            "SearchedFaceBoundingBox": bounding_box(face.box),
            "SearchedFaceConfidence": face.confidence,
            "FaceMatches": self._matches(request, descriptor),
            "FaceModelVersion": FACE_MODEL_VERSION,
        }

    def search_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """SearchFaces: the faces most similar to one in the collection, excluding that face."""
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
        """ListFaces: a page of faces sorted by id, all of them or those in FaceIds."""
        if "UserId" in request:
            raise ServiceError(
                "InvalidParameterException",
                "Request has invalid parameters: the local Rekognition does not support users",
            )
        stored = self._collections.faces(request["CollectionId"])
        face_ids = request.get("FaceIds")
        chosen = [face for face in stored if face_ids is None or face.id in face_ids]
        page, token = _page(chosen, request)
        faces = [_as_response(face) for face in page]
        return {"Faces": faces, "FaceModelVersion": FACE_MODEL_VERSION} | token

    def delete_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteFaces: the ids deleted, and those that were not found."""
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
        threshold = request.get("FaceMatchThreshold", DEFAULT_FACE_MATCH_THRESHOLD)
        compared = (
            (similarity(descriptor, face.descriptor), face)
            for face in self._collections.faces(request["CollectionId"])
            if face.id != without
        )
        matches = sorted(
            ((score, face) for score, face in compared if score >= threshold),
            key=lambda match: -match[0],
        )
        return [
            {"Similarity": score, "Face": _as_response(face)}
            for score, face in matches[: request.get("MaxFaces", DEFAULT_MAX_FACES)]
        ]


def _as_response(face: StoredFace) -> dict[str, Any]:
    """The face as a Face of the service model."""
    response = {
        "FaceId": face.id,
        "BoundingBox": bounding_box(face.box),
        "ImageId": face.image_id,
        "Confidence": face.confidence,
    }
    return response | (
        {"ExternalImageId": face.external_image_id} if face.external_image_id else {}
    )


def _face_id(collection_id: str, external: str | None, descriptor: Descriptor) -> str:
    """An id that is the same for the same face, external image id and collection."""
    identity = f"{collection_id}\n{external or ''}\n{descriptor.round(3).tobytes().hex()}"
    return str(uuid.uuid5(_IDS, identity))


def _page(items: Sequence[Any], request: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    """The items from NextToken on, at most MaxResults, and NextToken if more items follow."""
    token = request.get("NextToken", "0")
    if not token.isdecimal() or int(token) > len(items):
        raise ServiceError("InvalidPaginationTokenException", "The pagination token is not valid")
    start = int(token)
    end = start + (request.get("MaxResults") or MAX_RESULTS)
    more = {"NextToken": str(end)} if end < len(items) else {}
    return list(items[start:end]), more


def _arn(collection_id: str) -> str:
    """The ARN as CreateCollection returns it: without the leading "arn:" of DescribeCollection."""
    return f"aws:rekognition:us-east-1:000000000000:collection/{collection_id}"
