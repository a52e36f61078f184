"""`make run` and `make demo`: start the local stage, show a photograph's way, serve.

python -m localcloud           serve until Ctrl-C
python -m localcloud --demo    stop after the photograph; exit status 0 if it went well
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
from localcloud.stage import LocalStage, tell

_PROBLEMS = (
    ServerError,
    DeployError,
    DemonstrationError,
    BotoCoreError,
    ClientError,
)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m localcloud")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--demo", action="store_true", help="stop after the photograph")
    what.add_argument("--serve-only", action="store_true", help="post no photograph")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    stage = None
    try:
        stage = LocalStage(Configuration.from_environment())
        started = time.monotonic()
        stage.start()
        tell(f"ready after {time.monotonic() - started:.0f} s")
        if not arguments.serve_only:
            demonstrate(stage)
        if not arguments.demo:
            _serve(stage)
    except _PROBLEMS as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        tell("stopping")
        return 1 if arguments.demo else 0
    finally:
        # A second Ctrl-C must not leave servers behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if stage:
            stage.stop()
    return 0


def _serve(stage: LocalStage) -> None:
    tell("serving; Ctrl-C stops everything")
    while True:
        time.sleep(1)
        for server in stage.servers:
            if not server.is_running():
                raise ServerError(
                    f"The {server.name} stopped by itself. Its last words:\n{server.last_words()}"
                )


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
