"""`make run` and `make demo`: start the local stage, recognize a photograph, serve.

python -m localcloud                 serve until Ctrl-C
python -m localcloud --demo          stop after the photograph; exit status 0 on success
python -m localcloud --serve-only    serve without posting a photograph
"""

import argparse
import signal
import sys
import time

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import DeployError
from localcloud.configuration import Configuration
from localcloud.demonstration import DemonstrationError, demonstrate
from localcloud.servers import ServerError
from localcloud.stage import LocalStage, print_progress

_EXPECTED_ERRORS = (
    ServerError,
    DeployError,
    DemonstrationError,
    BotoCoreError,
    ClientError,
)


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m localcloud")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--demo", action="store_true", help="stop after the photograph")
    mode.add_argument("--serve-only", action="store_true", help="do not post a photograph")
    arguments = parser.parse_args()
    # SIGINT as well: a shell starts background jobs with Ctrl-C ignored, and Python leaves it so.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    stage = None
    try:
        stage = LocalStage(Configuration.from_environment())
        started = time.monotonic()
        stage.start()
        print_progress(f"ready after {time.monotonic() - started:.0f} s")
        if not arguments.serve_only:
            demonstrate(stage)
        if not arguments.demo:
            _serve(stage)
    except _EXPECTED_ERRORS as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print_progress("stopping")
        return 1 if arguments.demo else 0
    finally:
        # A second Ctrl-C must not interrupt the shutdown and leave servers running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if stage:
            stage.stop()
    return 0


def _serve(stage: LocalStage) -> None:
    print_progress("serving; press Ctrl-C to stop")
    while True:
        time.sleep(1)
        for server in stage.servers:
            if not server.is_running():
                raise ServerError(
                    f"The {server.name} exited unexpectedly. Last log lines:\n{server.log_tail()}"
                )


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
