"""Reads the shipped facts about open models: who made them, under which licence, and what their shape asks of a device."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from daulat.api.accelerator import Precision
from daulat.api.meta import CountryCode
from daulat.api.packaged import load_folder

from .model_names import parse
from .sources import Source, unsourced

NAMES_KEPT = 4096
"""Names that are remembered: every model of a cluster has one, and each pass reads it."""
_BYTES_KEPT = 2
"""Engines keep keys and values in 16 bits unless they are told otherwise."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class License(_Data):
    """Under which licence the weights are published."""

    spdx: str = Field(pattern=r"^[-A-Za-z0-9.+]+$")
    """The SPDX identifier, or LicenseRef- and a name where SPDX has none."""
    limits: str = ""
    """What it says about countries, users or size of the licensee. Data, not legal advice."""


class Attention(_Data):
    """How a layer attends, and so what it keeps of each token."""

    heads: int = Field(ge=1)
    """Query heads: what tensor parallelism divides."""
    key_value_heads: int | None = Field(default=None, ge=1, alias="keyValueHeads")
    """Heads whose keys and values are kept: all of them in multi-head attention, fewer in grouped-query attention."""
    head_width: int | None = Field(default=None, ge=1, alias="headWidth")
    """Numbers in one head's key, and as many in its value."""
    latent_width: int | None = Field(default=None, ge=1, alias="latentWidth")
    """Numbers kept instead of all keys and values in multi-head latent attention: the compressed pair and the positional part.
    Where one entry is key and value of every head, its width."""

    @model_validator(mode="after")
    def _one_form(self) -> Attention:
        grouped = self.key_value_heads is not None and self.head_width is not None
        if grouped == (self.latent_width is not None):
            raise ValueError("give keyValueHeads and headWidth, or latentWidth")
        return self

    @property
    def form(self) -> str:
        """MHA, GQA, MQA or MLA."""
        if self.latent_width is not None:
            return "MLA"
        return {self.heads: "MHA", 1: "MQA"}.get(self.key_value_heads or 0, "GQA")

    @property
    def bytes_for_token(self) -> int:
        """What one layer keeps of one token, in bytes."""
        if self.latent_width is not None:
            return self.latent_width * _BYTES_KEPT
        return 2 * (self.key_value_heads or 0) * (self.head_width or 0) * _BYTES_KEPT


class Compressed(_Data):
    """Layers that keep one entry for several tokens, beside those of the last ones."""

    layers: int = Field(ge=1)
    """How many there are."""
    every: int = Field(ge=2)
    """How many tokens share an entry."""


class Index(_Data):
    """What sparse attention keeps beside keys and values, to find those that matter."""

    layers: int = Field(ge=1)
    """How many layers have one of their own."""
    width: int = Field(ge=1)
    """Numbers in one entry. Engines keep them in 4 to 16 bits; they count with 16."""
    every: int = Field(default=1, ge=1)
    """How many tokens share an entry."""


class Layers(_Data):
    """How many layers there are, by what they keep."""

    total: int = Field(ge=1)
    windowed: int = Field(default=0, ge=0)
    """Layers that keep the last tokens only."""
    window: int = Field(default=0, ge=0)
    """How many tokens those keep."""
    stateful: int = Field(default=0, ge=0)
    """Layers with a state of fixed size instead of keys and values, as in linear attention."""
    state: int = Field(default=0, ge=0)
    """Bytes of that state, for one sequence in one layer."""
    compressed: tuple[Compressed, ...] = ()
    """Layers that keep less the farther back tokens are."""
    index: Index | None = None
    """What is kept beside, in sparse attention."""

    @model_validator(mode="after")
    def _add_up(self) -> Layers:
        if self._full < 0:
            raise ValueError("more layers are windowed, stateful or compressed than there are")
        if self.index is not None and self.index.layers > self.total:
            raise ValueError("more layers have an index than there are")
        if (self._near > 0) != (self.window > 0):
            raise ValueError("windowed and compressed layers have a window, and others don't")
        if (self.stateful > 0) != (self.state > 0):
            raise ValueError("stateful layers have a state, and others don't")
        return self

    @property
    def _near(self) -> int:
        """Layers that keep the last tokens in full."""
        return self.windowed + sum(c.layers for c in self.compressed)

    @property
    def _full(self) -> int:
        """Layers that keep all tokens."""
        return self.total - self._near - self.stateful

    def tokens_kept(self, context: int) -> int:
        """Return of how many tokens all layers together keep something, for one sequence of so many tokens."""
        near = self._near * min(self.window, context)
        return self._full * context + near + sum(c.layers * (context // c.every) for c in self.compressed)

    def index_bytes(self, context: int) -> int:
        """Return what the indexes of all layers together take, for one sequence of so many tokens."""
        if self.index is None:
            return 0
        return self.index.layers * (context // self.index.every) * self.index.width * _BYTES_KEPT

    @property
    def state_bytes(self) -> int:
        """What the states of all layers together take, for one sequence of any length."""
        return self.stateful * self.state


class ModelShape(_Data):
    """What of a model decides how many devices it needs."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=128)
    """The name by which Daulat knows it."""
    parameters: int = Field(ge=1)
    """How many parameters it has, over all experts."""
    expert_parameters: int = Field(default=0, ge=0, alias="expertParameters")
    """How many of them are in routed experts, which some precisions are for alone."""
    layers: Layers
    """Its layers."""
    attention: Attention
    """How they attend."""
    intermediate_size: int | None = Field(default=None, ge=1, alias="intermediateSize")
    """The width of the feed-forward part of a dense layer, which tensor parallelism divides; left out where no layer is dense."""
    moe_intermediate_size: int | None = Field(default=None, ge=1, alias="moeIntermediateSize")
    """The width of one expert, which tensor parallelism divides as well."""
    fp8_block: int | None = Field(default=None, ge=1, alias="fp8Block")
    """Rows, and columns, that share one scale in the developer's FP8 weights; left out where scales are per tensor or channel, or
    there are no such weights."""
    group_size: int | None = Field(default=None, ge=1, alias="groupSize")
    """Weights that share one 16-bit scale in the developer's INT4 weights."""
    context: int = Field(ge=1)
    """The longest sequence that it was made for, in tokens."""
    precisions: tuple[Precision, ...] = Field(min_length=1)
    """The precisions in which the developer publishes weights, the usual one first."""

    @model_validator(mode="after")
    def _others(self) -> Self:
        if self.expert_parameters >= self.parameters:
            raise ValueError("expertParameters: there are no others")
        return self

    def bytes_kept(self, context: int) -> int:
        """Return what is kept of one sequence of so many tokens, once."""
        pairs = self.attention.bytes_for_token * self.layers.tokens_kept(context)
        return pairs + self.layers.index_bytes(context) + self.layers.state_bytes


class Variant(_Data):
    """Weights of the same shape that the developer publishes under other names."""

    names: tuple[str, ...] = Field(min_length=1)
    """Their names, without the organisation."""
    context: int | None = Field(default=None, ge=1)
    """The longest sequence that they were made for, where that is another."""
    precisions: tuple[Precision, ...] | None = Field(default=None, min_length=1)
    """The precisions in which they are published, where those are others."""
    group_size: int | None = Field(default=None, ge=1, alias="groupSize")
    """As in the model, where that is another."""


class ModelFacts(ModelShape):
    """One open model."""

    repository: str
    """Where the developer publishes it, as ORGANISATION/NAME."""
    developer: str
    """Who made it."""
    origin_country: CountryCode = Field(alias="originCountry")
    """The developer's country."""
    license: License
    """Under which licence."""
    variants: tuple[Variant, ...] = ()
    """Other weights of the same shape."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where all this comes from."""

    @model_validator(mode="after")
    def _sourced(self) -> ModelFacts:
        known = {field.alias or name for name, field in type(self).model_fields.items()}
        given = {f.alias or name for name, f in type(self).model_fields.items() if name in self.model_fields_set}
        missing, unknown = unsourced(given - {"name", "sources"}, known, self.sources)
        if missing or unknown:
            raise ValueError(f"sources: none for {sorted(missing)}, and {sorted(unknown)} are no facts")
        return self


@cache
def models() -> dict[str, ModelFacts]:
    """Return every model that is known, by name."""
    found = [
        ModelFacts.model_validate(m) for _, content in load_folder(__package__, "models") for m in content["models"]
    ]
    by_name = {model.name: model for model in found}
    if len(by_name) != len(found):
        raise ValueError("two models have one name")
    return by_name


@lru_cache(maxsize=NAMES_KEPT)
def named(name: str) -> ModelFacts | None:
    """Return the model of that name, or the one that its developer or others publish under it, as it is in that variant."""
    if (exact := models().get(name) or _by_repository().get(name.lower())) is not None:
        return exact
    said = parse(name)
    known = _variants().get(said.written) or models().get(said.model) or _by_name().get(said.model)
    if known is None or said.precision in (None, known.precisions[0]):
        return known
    block = known.fp8_block if said.in_blocks else None
    return known.model_copy(update={"precisions": (said.precision,), "fp8_block": block})


@cache
def _by_repository() -> dict[str, ModelFacts]:
    return {model.repository.lower(): model for model in models().values()}


@cache
def _by_name() -> dict[str, ModelFacts]:
    """Return the models by what their developers call them, without words for how they were tuned."""
    return {parse(model.repository).model: model for model in models().values()}


@cache
def _variants() -> dict[str, ModelFacts]:
    found: dict[str, ModelFacts] = {}
    for model in models().values():
        for variant in model.variants:
            own = model.model_copy(update=variant.model_dump(exclude={"names"}, exclude_none=True))
            for name in variant.names:
                if (said := parse(name).written) in found:
                    raise ValueError(f"{name} is a variant of {found[said].name} and of {model.name}")
                found[said] = own
    return found
