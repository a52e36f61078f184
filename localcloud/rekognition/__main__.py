"""python -m localcloud.rekognition: serve the local Rekognition until SIGTERM or SIGINT."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

import boto3
from botocore.config import Config

from localcloud.rekognition import weights
from localcloud.rekognition.operations import open_operations
from localcloud.rekognition.server import RekognitionServer
from localcloud.rekognition.service import Rekognition
from localcloud.rekognition.stored_images import StoredImages


def main() -> int:
    """Run the command line and return its exit status."""
    arguments = _arguments()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        models = weights.find(arguments.cache)
    except weights.WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    stored_images = StoredImages(_s3_client(arguments.s3_endpoint_url))
    rekognition = Rekognition(open_operations(models, arguments.collections), stored_images)
    try:
        server = RekognitionServer((arguments.host, arguments.port), rekognition)
    except OSError as error:
        address = f"{arguments.host}:{arguments.port}"
        print(
            f"The local Rekognition cannot listen on {address}: {error.strerror}. "
            "Choose another address with --host and --port.",
            file=sys.stderr,
        )
        return 1
    _stop_on_signals(server)
    address = f"{arguments.host}:{server.server_port}"
    print(f"local Rekognition: serving on http://{address}", flush=True)
    server.serve_forever()
    server.server_close()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcloud.rekognition")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8801, help="0 chooses a free port")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the converted models")
    parser.add_argument(
        "--collections",
        type=Path,
        default=Path(".localcloud/face-collections.sqlite"),
        help="SQLite file of the face collections",
    )
    parser.add_argument("--s3-endpoint-url", help="default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL")
    return parser.parse_args()


def _s3_client(endpoint_url: str | None) -> object:
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path"},  # the emulator has no hostname per bucket
    )
    return boto3.client("s3", endpoint_url=endpoint_url, config=config)


def _stop_on_signals(server: RekognitionServer) -> None:
    def stop(_signal: int, _frame: object) -> None:
        # shutdown() blocks until serve_forever returns, and serve_forever runs in this thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    sys.exit(main())
