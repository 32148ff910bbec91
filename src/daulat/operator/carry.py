"""Carries a result out, stage by stage. Whatever one stage meets, the others run; errors are gathered.

Two things depend on others. Nothing new is made where the status that promises it can't be written. And where something new
couldn't be made, what it was to replace isn't taken away: what was in force stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from daulat.facts.report import Report
from daulat.kube.errors import NoAnswer, Rejected, RequestError
from daulat.kube.ref import Ref
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Effect, Result

from .evictor import Evictor
from .executor import Executor, NameTaken
from .repair import NotAsApplied


@dataclass
class Outcome:
    """What became of a result, up to its status."""

    apply: str = ""
    differs: bool = False
    evict: list[str] = field(default_factory=list)
    sweep: list[str] = field(default_factory=list)
    written: tuple[ApplyStatus, ...] = ()
    """The status that is written already."""
    untold: str = ""
    """Why the status couldn't be written; empty where it could."""
    transient: list[RequestError] = field(default_factory=list)
    """Errors that another try may not meet: no answer, 429, 5xx."""

    @property
    def report(self) -> Report:
        """What the next decision has to know of it."""
        return Report(self.apply, self.differs, tuple(self.evict), tuple(self.sweep))


class Carrier:
    """Carries results out by an executor."""

    def __init__(self, executor: Executor, evictor: Evictor) -> None:
        self._executor, self._evictor = executor, evictor

    async def stages(self, key: Ref, result: Result) -> Outcome:
        """Carry out everything but the status and its Events. Raises NotLeader."""
        outcome = Outcome()
        if await self._all(result.reserve, outcome):
            outcome.written = result.reserve
            await self._apply(result, outcome)
        else:
            outcome.apply = "nothing is applied, since the status that reports it can't be written"
        await self._all(result.prove, outcome)
        await self._evict(key, result.evict, outcome)
        if not outcome.apply:
            for effect in result.sweep:
                if error := await self._error(effect, outcome):
                    outcome.sweep.append(f"{effect.ref} can't be deleted: {error}")
        return outcome

    async def tell(self, result: Result, outcome: Outcome) -> None:
        """Write the status, and then record the Events about it."""
        for status in result.status:
            if status not in outcome.written and (error := await self._error(status, outcome)):
                outcome.untold = error
        if not outcome.untold:
            await self._all(result.events, outcome)

    async def _apply(self, result: Result, outcome: Outcome) -> None:
        for effect in result.apply:
            # What comes after an error may depend on it: no pods without the NetworkPolicy that is made before them.
            if outcome.apply and not (isinstance(effect, Apply) and effect.independent):
                continue
            if error := await self._error(effect, outcome):
                named = f"{Ref.of(effect.manifest['kind'], effect.manifest)}: " if isinstance(effect, Apply) else ""
                outcome.apply = outcome.apply or f"{named}{error}"
                if any(isinstance(met, NoAnswer) for met in outcome.transient):
                    return  # Each further one would wait for the same connection.

    async def _evict(self, key: Ref, effects: Sequence[Delete], outcome: Outcome) -> None:
        # A pass doesn't wait for pods: what it can tell of them is what came of the tries before.
        failed = self._evictor.errors(key, effects)
        outcome.evict += [failed[e.uid] for e in effects if e.ref.kind == "Pod" and e.uid in failed]
        awaited: list[asyncio.Future[str]] = []
        for effect in effects:
            if not effect.charged_to:
                if error := await self._error(effect, outcome):
                    outcome.evict.append(error)
                continue
            future = self._evictor.submit(key, effect)
            if effect.ref.kind != "Pod":
                awaited.append(future)
        for future in awaited:
            if error := await asyncio.shield(future):
                outcome.evict.append(error)

    async def _all(self, effects: Iterable[Effect], outcome: Outcome) -> bool:
        errors = [error for effect in effects if (error := await self._error(effect, outcome))]
        return not errors

    async def _error(self, effect: Effect, outcome: Outcome) -> str:
        """Carry one effect out. Return why it failed; empty where it didn't."""
        try:
            await self._executor.run(effect)
        except Rejected as error:
            return error.message or str(error)
        except NotAsApplied as error:
            outcome.differs = True
            return str(error)
        except NameTaken as error:
            return str(error)
        except RequestError as error:
            outcome.transient.append(error)
            return str(error) or type(error).__name__
        return ""
