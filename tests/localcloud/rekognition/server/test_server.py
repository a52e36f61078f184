"""The local Rekognition as a client sees it, with a real server, models and photographs."""

import concurrent.futures
import contextlib
import http.client
import http.server
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from localcloud.rekognition import weights
from tests.helpers.rekognition_process import (
    MODELS,
    PHOTOGRAPHS,
    READY_SECONDS,
    STOP_SECONDS,
    encoded,
    error_of,
    new_client,
    opened,
    photograph,
    post,
    ready_url,
    running_server,
    start_server,
)


class S3Stub(http.server.BaseHTTPRequestHandler):
    """The part of S3 that reading objects by path needs."""

    objects: dict[str, bytes]

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        version = f"?{query}" if "versionId" in query else ""
        content = self.objects.get(unquote(path) + version)
        if content is None:
            body = b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>"
        else:
            body = content
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client closes if the object is too large
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    S3Stub.objects = {
        "/photographs/a cat (1).png": photograph("chelsea-cat.png"),
        "/photographs/versioned?versionId=v1": photograph("coffee.png"),
        "/photographs/versioned": photograph("chelsea-cat.png"),
        "/photographs/text": b"not an image",
        "/photographs/huge": b"\xff\xd8\xff" + bytes(15 * 1024 * 1024),
    }
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def models() -> Path:
    weights.set_up(MODELS, print)
    return MODELS


@pytest.fixture(scope="module")
def url(models: Path, s3_url: str) -> Iterator[str]:
    with running_server(AWS_ENDPOINT_URL=s3_url) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Any:
    return new_client(url)


def labels_of(client: Any, content: bytes, **parameters: Any) -> dict[str, dict[str, Any]]:
    response = client.detect_labels(Image={"Bytes": content}, **parameters)
    return {label["Name"]: label for label in response["Labels"]}


def confident(client: Any, content: bytes) -> set[str]:
    return set(labels_of(client, content, MinConfidence=70))


# What is in the photographs


def test_the_cat_has_the_label_cat_and_its_ancestors(client: Any) -> None:
    labels = labels_of(client, photograph("chelsea-cat.png"), MinConfidence=70)
    assert {"Cat", "Mammal", "Animal", "Pet"} <= labels.keys()
    assert {parent["Name"] for parent in labels["Cat"]["Parents"]} == {"Mammal", "Pet", "Animal"}
    assert labels["Cat"]["Categories"] == [{"Name": "Animals and Pets"}]
    (instance,) = labels["Cat"]["Instances"]
    box = instance["BoundingBox"]
    assert box["Width"] * box["Height"] > 0.6
    assert not labels.keys() & {"Dog", "Person", "Cup"}


def test_the_coffee_has_labels_for_coffee_and_cup(client: Any) -> None:
    labels = labels_of(client, photograph("coffee.png"), MinConfidence=70)
    assert {"Cup", "Coffee Cup", "Coffee", "Espresso", "Beverage"} <= labels.keys()
    box = labels["Cup"]["Instances"][0]["BoundingBox"]
    # The cup is slightly left of the center and covers a fifth of the image.
    assert box["Left"] < 0.4 < 0.6 < box["Left"] + box["Width"]
    assert 0.1 < box["Width"] * box["Height"] < 0.4
    assert "Cat" not in labels


@pytest.mark.parametrize("name", ["astronaut.png", "cameraman-grey.png"])
def test_people_have_the_label_person_with_a_box(name: str, client: Any) -> None:
    labels = labels_of(client, photograph(name), MinConfidence=70)
    assert labels["Person"]["Aliases"] == [{"Name": "Human"}]
    box = labels["Person"]["Instances"][0]["BoundingBox"]
    assert box["Width"] * box["Height"] > 0.3
    assert "Animal" not in labels


def test_the_pagoda_is_a_building_and_not_a_boat(client: Any) -> None:
    labels = confident(client, photograph("pagoda.jpg"))
    assert labels & {"Building", "Architecture", "Temple", "Pagoda"}
    assert not labels & {"Boat", "Watercraft", "Vehicle"}


@pytest.mark.parametrize("name", ["dahlia.jpg", "rocket.jpg"])
def test_subjects_unknown_to_the_models_get_no_confident_wrong_label(
    name: str, client: Any
) -> None:
    right = {"Flower", "Plant", "Rocket", "Missile", "Weapon", "Ammunition"}
    assert confident(client, photograph(name)) <= right


def altered_cats() -> dict[str, bytes]:
    cat = opened("chelsea-cat.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rotated, as some cameras do
    rotated = cat.transpose(Image.Transpose.ROTATE_90)
    return {
        "mirrored": encoded(ImageOps.mirror(cat)),
        "JPEG of quality 60": encoded(cat, "JPEG", quality=60),
        "progressive JPEG": encoded(cat, "JPEG", progressive=True),
        "grayscale": encoded(cat.convert("L")),
        "grayscale JPEG": encoded(cat.convert("L"), "JPEG"),
        "with an alpha channel": encoded(cat.convert("RGBA")),
        "palette": encoded(cat.quantize(256)),
        "half the size": encoded(cat.resize((225, 150))),
        "four times the size": encoded(cat.resize((1804, 1200)), "JPEG"),
        "cropped": encoded(cat.crop((40, 20, 420, 290))),
        "slightly blurred": encoded(cat.filter(ImageFilter.GaussianBlur(1))),
        "darker": encoded(cat.point(lambda value: value * 0.6)),
        "rotated by Exif": encoded(rotated, "JPEG", exif=exif, quality=90),
    }


ALTERED_CATS = altered_cats()


@pytest.mark.parametrize("variant", ALTERED_CATS)
def test_an_altered_cat_is_still_a_cat(variant: str, client: Any) -> None:
    labels = confident(client, ALTERED_CATS[variant])
    assert {"Cat", "Mammal", "Animal", "Pet"} <= labels


def test_boxes_are_relative_to_the_image_after_exif_rotation(client: Any) -> None:
    coffee = opened("coffee.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = encoded(coffee.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    expected = labels_of(client, encoded(coffee))["Cup"]["Instances"][0]["BoundingBox"]
    found = labels_of(client, rotated)["Cup"]["Instances"][0]["BoundingBox"]
    for side in ("Left", "Top", "Width", "Height"):
        assert found[side] == pytest.approx(expected[side], abs=0.05)


def test_the_box_in_a_mirrored_image_is_mirrored(client: Any) -> None:
    coffee = opened("coffee.png").crop((0, 0, 500, 400))
    plain = labels_of(client, encoded(coffee))["Cup"]["Instances"][0]["BoundingBox"]
    other = labels_of(client, encoded(ImageOps.mirror(coffee)))["Cup"]["Instances"][0][
        "BoundingBox"
    ]
    assert other["Left"] == pytest.approx(1 - plain["Left"] - plain["Width"], abs=0.03)


def images_of_nothing() -> dict[str, Image.Image]:
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    gradient = np.linspace(0, 255, 400, dtype=np.uint8)[None, :, None].repeat(300, 0).repeat(3, 2)
    return {
        "black": Image.new("RGB", (400, 300)),
        "white": Image.new("RGB", (400, 300), "white"),
        "noise": Image.fromarray(noise),
        "blurred noise": Image.fromarray(noise).filter(ImageFilter.GaussianBlur(8)),
        "gradient": Image.fromarray(gradient),
    }


IMAGES_OF_NOTHING = images_of_nothing()


@pytest.mark.parametrize("kind", IMAGES_OF_NOTHING)
def test_an_image_of_nothing_has_no_confident_label(kind: str, client: Any) -> None:
    assert confident(client, encoded(IMAGES_OF_NOTHING[kind])) == set()


# Parameters and responses


def test_defaults_are_those_of_rekognition(client: Any) -> None:
    response = client.detect_labels(Image={"Bytes": photograph("chelsea-cat.png")})
    assert min(label["Confidence"] for label in response["Labels"]) >= 55
    assert response["LabelModelVersion"]
    assert "ImageProperties" not in response
    assert "OrientationCorrection" not in response


def test_labels_are_sorted_by_confidence_and_within_their_ranges(client: Any) -> None:
    for file in sorted(PHOTOGRAPHS.glob("*.[jp]*g")):
        content = file.read_bytes()
        response = client.detect_labels(Image={"Bytes": content}, MinConfidence=0)
        confidences = [label["Confidence"] for label in response["Labels"]]
        assert confidences == sorted(confidences, reverse=True)
        names = {label["Name"] for label in response["Labels"]}
        for label in response["Labels"]:
            assert 0 <= label["Confidence"] <= 100
            assert {parent["Name"] for parent in label["Parents"]} <= names
            for instance in label["Instances"]:
                box = instance["BoundingBox"]
                assert 0 <= box["Left"] <= box["Left"] + box["Width"] <= 1.0001
                assert 0 <= box["Top"] <= box["Top"] + box["Height"] <= 1.0001


def test_the_same_image_has_the_same_response(client: Any) -> None:
    content = photograph("pagoda.jpg")
    assert labels_of(client, content) == labels_of(client, content)


def test_max_labels_and_filters_are_applied(client: Any) -> None:
    cat = photograph("chelsea-cat.png")
    assert len(labels_of(client, cat, MaxLabels=2)) == 2
    only_cat = {"GeneralLabels": {"LabelInclusionFilters": ["Cat"]}}
    assert labels_of(client, cat, Settings=only_cat).keys() == {"Cat"}
    no_animals = {"GeneralLabels": {"LabelCategoryExclusionFilters": ["Animals and Pets"]}}
    assert labels_of(client, cat, Settings=no_animals) == {}


def test_image_properties_describe_the_image(client: Any) -> None:
    def properties(content: bytes) -> dict[str, Any]:
        response = client.detect_labels(
            Image={"Bytes": content},
            Features=["IMAGE_PROPERTIES"],
            Settings={"ImageProperties": {"MaxDominantColors": 4}},
        )
        assert "Labels" not in response
        found: dict[str, Any] = response["ImageProperties"]
        return found

    red = properties(encoded(Image.new("RGB", (100, 100), "red")))
    assert red["DominantColors"][0]["HexCode"] == "#ff0000"
    coffee = opened("coffee.png")
    sharp = properties(encoded(coffee))
    assert 1 <= len(sharp["DominantColors"]) <= 4
    assert sharp["DominantColors"][0]["SimplifiedColor"] in {"brown", "black", "orange"}
    assert {"Foreground", "Background"} <= sharp.keys()
    blurred = properties(encoded(coffee.filter(ImageFilter.GaussianBlur(4))))
    assert blurred["Quality"]["Sharpness"] < sharp["Quality"]["Sharpness"] / 2
    dark = properties(encoded(coffee.point(lambda value: value * 0.5)))
    assert dark["Quality"]["Brightness"] == pytest.approx(
        sharp["Quality"]["Brightness"] / 2, rel=0.05
    )


# S3


def in_s3(name: str, **more: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": "photographs", "Name": name, **more}}


def test_an_object_in_s3_is_recognized_like_its_bytes(client: Any) -> None:
    response = client.detect_labels(Image=in_s3("a cat (1).png"))
    labels = {label["Name"]: label for label in response["Labels"]}
    assert labels == labels_of(client, photograph("chelsea-cat.png"))


def test_the_requested_version_of_an_object_is_recognized(client: Any) -> None:
    newest = client.detect_labels(Image=in_s3("versioned"), MinConfidence=70)["Labels"]
    older = client.detect_labels(Image=in_s3("versioned", Version="v1"), MinConfidence=70)["Labels"]
    assert "Cat" in {label["Name"] for label in newest}
    assert "Coffee Cup" in {label["Name"] for label in older}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("not there", "InvalidS3ObjectException"),
        ("text", "InvalidImageFormatException"),
        ("huge", "ImageTooLargeException"),
    ],
)
def test_an_unusable_object_is_the_documented_error(name: str, code: str, client: Any) -> None:
    assert error_of(client.detect_labels, Image=in_s3(name))[:2] == (400, code)


# Errors


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not an image", "InvalidImageFormatException"),
        (encoded(Image.new("RGB", (100, 100)), "GIF"), "InvalidImageFormatException"),
        (photograph("coffee.png")[:50_000], "InvalidImageFormatException"),
        (encoded(Image.new("RGB", (79, 100))), "InvalidParameterException"),
        (encoded(Image.new("1", (10_001, 100))), "ImageTooLargeException"),
        (b"\xff\xd8\xff" + bytes(5_242_878), "ValidationException"),
        (b"", "ValidationException"),
    ],
)
def test_an_unusable_image_is_the_documented_error(content: bytes, code: str, client: Any) -> None:
    assert error_of(client.detect_labels, Image={"Bytes": content})[:2] == (400, code)


def test_modeled_errors_are_the_clients_typed_exceptions(client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidImageFormatException):
        client.detect_labels(Image={"Bytes": b"not an image"})


@pytest.mark.parametrize(
    "parameters",
    [
        {"MinConfidence": 101},
        {"MaxLabels": -1},
        {"Features": ["EVERYTHING"]},
        {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["x"] * 101}}},
    ],
)
def test_parameters_outside_the_service_model_are_rejected(
    parameters: dict[str, Any], client: Any
) -> None:
    image = {"Bytes": photograph("chelsea-cat.png")}
    status, code, _ = error_of(client.detect_labels, Image=image, **parameters)
    assert (status, code) == (400, "ValidationException")


def test_operations_without_a_model_are_not_implemented(client: Any) -> None:
    image = {"Bytes": photograph("astronaut.png")}
    for call in (client.recognize_celebrities, client.detect_protective_equipment):
        status, code, message = error_of(call, Image=image)
        assert (status, code) == (501, "NotImplementedException")
        assert "no model" in message
    assert error_of(client.list_stream_processors)[1] == "NotImplementedException"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("RekognitionService.DetectUnicorns", b"{}", "UnknownOperationException"),
        ("DynamoDB_20120810.ListTables", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
        ("RekognitionService.DetectLabels", b"{", "SerializationException"),
        ("RekognitionService.DetectLabels", b"", "ValidationException"),
        ("RekognitionService.DetectLabels", b'{"Image": {"Bytes": "?"}}', "SerializationException"),
    ],
)
def test_malformed_requests_are_the_documented_errors(
    target: str, body: bytes, code: str, url: str
) -> None:
    status, response = post(url, body, **{"X-Amz-Target": target})
    assert (status, response["__type"]) == (400, code)


def test_a_get_request_succeeds(url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200


# The process


def test_concurrent_requests_have_the_same_responses_as_sequential_ones(client: Any) -> None:
    contents = [photograph(name) for name in ("chelsea-cat.png", "coffee.png", "astronaut.png")]
    sequential = [labels_of(client, content) for content in contents]
    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        concurrently = list(threads.map(lambda content: labels_of(client, content), contents * 8))
    assert concurrently == sequential * 8


def test_a_photograph_takes_less_than_800_ms(client: Any) -> None:
    content = photograph("coffee.png")
    durations = []
    for _ in range(5):
        started = time.monotonic()
        labels_of(client, content)
        durations.append(time.monotonic() - started)
    assert sorted(durations)[2] < 0.8


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_the_server_stops_cleanly(stop_signal: signal.Signals, models: Path) -> None:
    process = start_server("--port", "0")
    try:
        url = ready_url(process)
        assert post(url, b"{}")[0] == 400
        process.send_signal(stop_signal)
        assert process.wait(STOP_SECONDS) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()


def test_a_port_in_use_is_reported_in_one_line(models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start_server("--port", str(port))
        _, error = process.communicate(timeout=READY_SECONDS)
    assert process.returncode == 1
    assert error.count("\n") == 1
    assert f"127.0.0.1:{port}" in error


def test_missing_models_are_reported_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    process = start_server("--port", "0", "--cache", str(tmp_path))
    _, error = process.communicate(timeout=READY_SECONDS)
    assert process.returncode == 1
    assert "python -m localcloud.rekognition.weights --cache" in error
    assert "Traceback" not in error
