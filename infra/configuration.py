"""Reads and updates a stage's settings in .chalice/config.json."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.errors import DeployError


class StageConfiguration:
    """One stage of a project's .chalice/config.json; raises DeployError for an unknown stage."""

    def __init__(self, project: Path, stage: str) -> None:
        self._file = project / ".chalice" / "config.json"
        self._stage = stage
        stages = self._read()["stages"]
        if stage not in stages:
            raise DeployError(
                f"There is no stage {stage!r} in .chalice/config.json. Use one of: "
                f"{', '.join(stages)}."
            )

    @property
    def variables(self) -> dict[str, str]:
        """The stage's environment variables."""
        return dict(self._read()["stages"][self._stage].get("environment_variables", {}))

    @property
    def policy_files(self) -> dict[str, str]:
        """The path of each function's rendered policy, relative to .chalice, by function name."""
        functions = self._read()["stages"][self._stage]["lambda_functions"]
        return {name: function["iam_policy_file"] for name, function in functions.items()}

    def record(self, variables: Mapping[str, str]) -> None:
        """Set environment variables of the stage and keep its others."""
        self._write(self.variables | dict(variables))

    def forget(self, names: Iterable[str]) -> None:
        """Remove environment variables from the stage."""
        removed = set(names)
        self._write({name: value for name, value in self.variables.items() if name not in removed})

    def reserve(self, function: str, executions: int | None) -> None:
        """Set the concurrent executions that Chalice reserves for a function; None reserves none.

        Chalice takes a reservation away that is not in its configuration.
        """
        configuration = self._read()
        settings = configuration["stages"][self._stage]["lambda_functions"][function]
        settings.pop("reserved_concurrency", None)
        if executions is not None:
            settings["reserved_concurrency"] = executions
        self._save(configuration)

    def _read(self) -> Any:
        return json.loads(self._file.read_text())

    def _write(self, variables: Mapping[str, str]) -> None:
        configuration = self._read()
        configuration["stages"][self._stage]["environment_variables"] = dict(variables)
        self._save(configuration)

    def _save(self, configuration: Any) -> None:
        text = json.dumps(configuration, indent=2) + "\n"
        if text != self._file.read_text():
            self._file.write_text(text)
