"""The base of what entries say: a model for each kind, which is named after it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from .draft import Draft


class Record(BaseModel):
    """The data of one kind of entry. Fields that have their default are left out of the entry."""

    # A reader of this release may meet fields of a later one.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )
    kind: ClassVar[str]
    """The kind of its entries: the class's name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__name__

    def data(self) -> dict[str, JsonValue]:
        """Return what the entry says."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def draft(self) -> Draft:
        """Return the entry without its time."""
        return Draft(self.kind, self.data())
