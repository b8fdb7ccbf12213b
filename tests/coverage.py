"""Prints what llvm-cov exported, a row a file, and fails below the bars: coverage.py REPORT"""

import json
import sys

BARS = {"lines": 95.0, "branches": 90.0}


def row(name: str, summary: dict) -> str:
    cells = (f"{summary[kind]['covered']:6} of {summary[kind]['count']:5} {summary[kind]['percent']:6.1f} %" for kind in BARS)
    return f"{name:40}" + "".join(f"{cell:>26}" for cell in cells)


[data] = json.load(open(sys.argv[1], encoding="utf-8"))["data"]
print(f"{'':40}" + "".join(f"{kind:>26}" for kind in BARS))
for file in data["files"]:
    print(row(file["filename"].split("/core/src/")[1], file["summary"]))
totals = data["totals"]
print(row("core", totals))
low = [kind for kind, bar in BARS.items() if totals[kind]["count"] == 0 or totals[kind]["percent"] < bar]
sys.exit(f"below the bar: {', '.join(low)}" if low else 0)
