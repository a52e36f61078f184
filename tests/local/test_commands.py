"""The commands that a developer runs, and the state in which they leave the machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import requests
from PIL import Image

from tests.helpers.stage_process import StageProcess, wait_for
from tests.local.conftest import Origin

LOOPBACK = "0100007F"  # 127.0.0.1 in the notation of /proc/net/tcp
LISTENING = "0A"


def run(
    stage: StageProcess, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments],
        cwd=stage.folder,
        env={**os.environ, **stage.environment, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demo_prints_labels_and_xml_and_leaves_nothing_running(
    own_stage: StageProcess,
) -> None:
    done = run(own_stage, "--demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  Cat" in done.stdout
    assert "<ImageRecognition>" in done.stdout
    assert "<Name>Cat</Name>" in done.stdout
    assert "curl" in done.stdout
    assert not (own_stage.folder / ".localcloud" / "ready.json").exists()
    assert not (own_stage.folder / ".localcloud" / "tmp").exists()
    for port in own_stage.environment.values():
        assert_free(int(port))


def test_results_survive_a_restart(own_stage: StageProcess) -> None:
    own_stage.start()
    photographs = f"http://127.0.0.1:{own_stage.environment['PHOTOGRAPHS_PORT']}"
    body = {"url": f"{photographs}/dahlia.jpg"}
    image_id = own_stage.request("POST", "/images", json=body).json()["id"]
    before = wait_for(
        lambda: own_stage.recognized(image_id),
        lambda image: image["delivery"] and image["delivery"]["status"] == "DELIVERED",
        60,
        "a delivered result",
    )
    assert own_stage.stop() == 0
    assert not (own_stage.folder / ".localcloud" / "ready.json").exists()
    own_stage.start()
    assert own_stage.request("GET", f"/images/{image_id}").json() == before
    assert own_stage.request("POST", "/images", json=body).status_code == 200


def test_a_port_in_use_is_reported_with_the_variable_that_changes_it(
    own_stage: StageProcess,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(own_stage, "--demo", EMULATOR_PORT=port)
    assert done.returncode == 1
    assert port in done.stderr
    assert "EMULATOR_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_port_is_reported(own_stage: StageProcess) -> None:
    done = run(own_stage, "--demo", REKOGNITION_PORT="http")
    assert done.returncode == 1
    assert "REKOGNITION_PORT is 'http'" in done.stderr


def test_every_server_listens_on_loopback_only(stage: StageProcess) -> None:
    ports = {int(stage.environment[name]) for name in stage.environment if name.endswith("_PORT")}
    addresses = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, _, state = line.split()[1:4]
        address, port = local.split(":")
        if state == LISTENING and int(port, 16) in ports:
            addresses[int(port, 16)] = address
    assert addresses == dict.fromkeys(ports, LOOPBACK)


def test_ready_json_has_every_url_and_secret(stage: StageProcess) -> None:
    assert set(stage.ready) == {
        "url",
        "token",
        "aws_endpoint_url",
        "rekognition_url",
        "third_party_url",
        "webhook_secret",
    }
    for url in (stage.ready["aws_endpoint_url"], stage.ready["rekognition_url"]):
        assert requests.get(url, timeout=10).status_code < 500


def test_chalice_local_serves_the_routes_on_the_same_emulator(
    stage: StageProcess, origin: Origin
) -> None:
    Image.effect_noise((200, 200), 50).save(origin.folder / "noise.png")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    exports = (stage.folder / ".localcloud" / "environment").read_text()
    variables = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
    chalice = Path(sys.executable).with_name("chalice")
    process = subprocess.Popen(
        [chalice, "local", "--stage", "local", "--port", str(port), "--no-autoreload"],
        cwd=stage.folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(lambda: listens(port), bool, 30, "chalice local")
        headers = (
            {"Authorization": f"Bearer {stage.ready['token']}"} if stage.ready["token"] else {}
        )
        response = requests.post(
            f"http://127.0.0.1:{port}/images",
            json={"url": f"{origin.url}/noise.png"},
            headers=headers,
            timeout=30,
        )
        assert response.status_code == 202, response.text
        image_id = response.json()["id"]
        # Both share one stage, so the deployed functions recognize the image.
        assert stage.recognized(image_id)["status"] == "RECOGNIZED"
        unknown = requests.get(
            f"http://127.0.0.1:{port}/images/{'0' * 32}", headers=headers, timeout=30
        )
        assert json.loads(unknown.text)["Code"] == "ImageNotFound"
    finally:
        process.terminate()
        process.wait(10)


def assert_free(port: int) -> None:
    assert not listens(port), f"something still listens on port {port}"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
