"""How a run was made, for the end of its leaderboard: command, recipes, machine, readers, data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.errors import InputError
from benchmark.plugins import index
from benchmark.report.table import Table
from benchmark.store.view import Scored


def how_it_was_made(scored: Scored) -> str:
    """The section in Markdown, from what the run recorded of itself."""
    run = scored.run
    parts = ["## How it was made"]
    if command := run.get("command"):
        parts.append(f"```\npython -m benchmark {' '.join(map(str, command))}\n```")
    facts = [*_recipes(scored), *_environment(run.get("environment") or {})]
    parts += [_listed(facts), _readers(scored)]
    names: set[str] = set()
    for row in scored.rows:
        if "dataset" in row.facts:
            names.add(row.facts["dataset"])
    licences = [f"{name}: {_licence(name, run)}" for name in sorted(names)]
    parts.append(f"Data: {'; '.join(licences)}")
    parts.append(_listed(_preparations(scored)))
    return "\n\n".join(filter(None, parts))


def _listed(facts: list[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)


def _said(pairs: Iterable[tuple[str, Any]]) -> str:
    """steps 400, lr 0.003."""
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _recipes(scored: Scored) -> list[str]:
    """Each distinct recipe, backbone by backbone, with what came out of it."""
    out: dict[str, None] = {}
    for row in scored.rows:
        facts, recipe = row.facts, row.facts.get("recipe")
        if not recipe or facts.get("codec"):
            continue
        texts = {name: json.dumps(value) for name, value in recipe.items()}
        sizes = _said(sorted((facts.get("inr_args") or {}).items()))
        words = _said(sorted(texts.items()))
        out[f"{facts['inr']} ({sizes}), {facts.get('bits')} bits a weight; {words}"] = None
    return list(out)


def _environment(environment: Mapping[str, Any]) -> list[str]:
    out = []
    for name, value in environment.items():
        if isinstance(value, dict):
            value = _said(value.items())
        out.append(f"{name}: {value}")
    return out


def _readers(scored: Scored) -> str:
    """The networks, with what each was in the latest run; "" where there is none."""
    roles: dict[str, str] = {}
    for reader in scored.run.get("readers") or []:
        roles[reader["hash"]] = reader.get("role", "-")
    rows = []
    for hash_ in dict.fromkeys([*scored.losses, *scored.readers]):
        rows.append([scored.name(hash_), hash_, roles.get(hash_, "-")])
    if not rows:
        return ""
    return Table(["reader", "hash", "role in the latest run"], rows).markdown()


def _preparations(scored: Scored) -> list[str]:
    """How the images of each data set were prepared."""
    out = []
    for name, options in sorted(scored.store.preparations()):
        given = {key: value for key, value in json.loads(options).items() if value != ""}
        out.append(f"{name} prepared with {_said(given.items())}")
    return out


def _licence(name: str, run: Mapping[str, Any]) -> str:
    """What the run recorded, else what the data set's plug-in says."""
    recorded = run.get("dataset") or {}
    if recorded.get("name") == name:
        return f"{recorded.get('licence')}; {recorded.get('citation')}"
    try:
        plugin = index.get("dataset", name).load()
    except InputError:
        return "licence not recorded, and no plug-in of that name is here"
    return f"{plugin.licence}; {plugin.citation}"
