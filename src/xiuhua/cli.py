"""``bin/xiuhua WORDS…``: the commands of every room, read from the manifests, and the few of the house.

A command is a function taking the remaining arguments and returning an exit code. Without a configured
environment the secrets of the demo in the data folder are used, if `run` has made one there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module

from xiuhua import demo_env, manifest
from xiuhua.env import EnvError, env
from xiuhua.manifest import Command
from xiuhua.rooms import ROOMS

HOUSE = (
    Command("run", "xiuhua.serve:main", "make everything ready and serve pages, API and worker"),
    Command("doctor", "xiuhua.doctor:main", "say what is configured, reachable and wrong"),
    Command("bench", "xiuhua.bench:main", "measure how fast the house is: bench NAME [--json]"),
    Command("migrate", "xiuhua.cli:migrate", "bring the database to this version"),
    Command("manage", "xiuhua.cli:manage", "pass the rest to Django's management commands"),
)
#: These bring their own environment or want none.
_BARE = frozenset({"run", "doctor", "bench"})


def commands() -> dict[str, Command]:
    """Words -> command; raises ValueError when two rooms claim the same words."""
    manifests = [import_module(f"xiuhua.{room}.room").ROOM for room in ROOMS]
    faults = manifest.check(manifests)
    found = {command.words: command for command in HOUSE}
    for room in manifests:
        for command in room.commands:
            if command in HOUSE or command.words in {c.words for c in HOUSE}:
                faults.append(f"command {command.words!r} of {room.code} belongs to the house")
            found[command.words] = command
    if faults:
        raise ValueError("; ".join(faults))
    return found


def find(argv: list[str], known: dict[str, Command]) -> tuple[Command | None, list[str]]:
    """The command with the longest words that ``argv`` begins with, and the rest of ``argv``."""
    for length in range(len(argv), 0, -1):
        command = known.get(" ".join(argv[:length]))
        if command:
            return command, argv[length:]
    return None, argv


def usage(known: dict[str, Command]) -> str:
    width = max(len(words) for words in known)
    lines = [f"  {words:<{width}}  {known[words].help}" for words in sorted(known)]
    return "\n".join(["usage: xiuhua COMMAND [arguments]", "", *lines])


def terminal_language() -> str:
    """``zh`` or ``en`` by ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``; English unless it is Chinese."""
    locale = next((v for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := os.environ.get(n))), "")
    return "zh" if locale.startswith("zh") else "en"


def ready() -> None:
    """Make Django ready in this process; raises `EnvError` when the environment cannot be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xiuhua.settings")
    if demo_env.wanted():
        demo_env.load()
    env()
    import django

    django.setup()


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    known = commands()
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(known))
        return 0
    command, rest = find(argv, known)
    if command is None:
        words = " ".join(argv)
        near = [w for w in known if w.split()[0] == argv[0]]
        hint = f"; commands that begin so: {', '.join(near)}" if near else ""
        print(f"xiuhua: there is no command {words!r}{hint}. `xiuhua --help` lists them.", file=sys.stderr)
        return 2
    try:
        if command.words not in _BARE:
            ready()
        function: Callable[[list[str]], int | None] = manifest.load(command.target)
        return int(function(rest) or 0)
    except EnvError as error:
        print(f"xiuhua: the environment cannot be used:\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def manage(argv: list[str]) -> int:
    from django.core.management import execute_from_command_line

    execute_from_command_line(["xiuhua manage", *argv])
    return 0


def migrate(argv: list[str]) -> int:
    return manage(["migrate", *argv])


if __name__ == "__main__":
    sys.exit(main())
