"""Which add-ons there are, and which release of a project each is: addons.yaml as objects."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dev.cluster.errors import ClusterError
from dev.cluster.paths import MODULE_DIR

FILE = MODULE_DIR / "addons" / "addons.yaml"


class Addon(BaseModel):
    """One project. `version` and `sum` are empty where dev/cluster/go.mod and go.sum have them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str
    version: str = Field(default="", pattern=r"^(v\d+\.\d+\.\d+)?$")
    sum: str = Field(default="", pattern=r"^(h1:[A-Za-z0-9+/]{43}=)?$")
    manifests: str
    runs: str = ""

    @model_validator(mode="after")
    def _is_pinned_once(self) -> Addon:
        if bool(self.version) != bool(self.sum) or bool(self.version) == bool(self.runs):
            raise ValueError(f"{self.module} needs version and sum, or runs")
        return self


CATALOG = {name: Addon.model_validate(entry) for name, entry in yaml.safe_load(FILE.read_text()).items()}
NAMES = tuple(CATALOG)


def check(name: str) -> None:
    """Refuse a name that no add-on has."""
    if name not in CATALOG:
        raise ClusterError(f"there is no add-on {name}: there are {', '.join(NAMES)}.")
