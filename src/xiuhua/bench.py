"""``bin/xiuhua bench NAME``: run one of the benchmarks of the source tree, each a script of its own with its own options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "bench"


def names(folder: Path = FOLDER) -> dict[str, str]:
    """Name -> first line of what it says of itself; {} where the benchmarks are not installed."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("bench_"):  # parts that several of them share
            found[path.stem.replace("_", "-")] = path.read_text("utf-8").split('"""')[1].strip().splitlines()[0]
    return found


def main(argv: list[str], folder: Path = FOLDER) -> int:
    """Exit code of the benchmark; 2 for a name that there is not."""
    known = names(folder)
    if not known:
        print("xiuhua: the benchmarks are part of the source tree, which is not here", file=sys.stderr)
        return 2
    lines = [f"  {name:<12}{words}" for name, words in known.items()]
    usage = "\n".join(["usage: xiuhua bench NAME [--json] [options of the benchmark; --help lists them]", "", *lines])
    if argv in ([], ["-h"], ["--help"]):
        print(usage)
        return 0
    name = argv[0].replace("_", "-")
    if name not in known:
        print(f"xiuhua: there is no benchmark {argv[0]!r}\n\n{usage}", file=sys.stderr)
        return 2
    return subprocess.run(
        [sys.executable, str(folder / f"{name.replace('-', '_')}.py"), *argv[1:]], check=False
    ).returncode
