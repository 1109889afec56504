"""Which language and version a run is of, and why one cannot be."""

from collections.abc import Mapping

from application.ports.sandbox import Runtime, Runtimes
from domain.aggregate import DomainError


class UnknownLanguage(DomainError):
    """This language, or this version of it, cannot run here."""


def runtime_of(runtimes: Runtimes, language: str, version: str | None) -> Runtime:
    """The newest one that can run here when no version is named. Raises UnknownLanguage."""
    found = runtimes.find(language, version)
    if found is None:
        raise UnknownLanguage(why_not(language, version, runtimes.versions(language)))
    return found


def why_not(language: str, version: str | None, versions: Mapping[str, str | None]) -> str:
    """Why this cannot run here and what to do, from all versions of the language with why not."""
    wanted = " ".join(filter(None, [language, version]))
    can_run = [one for one, missing in versions.items() if missing is None]
    reason = versions.get(["", *versions][-1] if version is None else version)
    ways = [
        *(["Install it for all users"] if reason else []),
        *([f"ask for {language} {can_run[-1]}"] if can_run else []),
        "see what can run by `runledger runtimes list` or GET /api/v1/runtimes",
    ]
    why = reason or f"there is no such {'version' if versions else 'language'}."
    way = ", or ".join(ways)
    return f"{wanted!r} cannot run here: {why} {way[0].upper()}{way[1:]}."
