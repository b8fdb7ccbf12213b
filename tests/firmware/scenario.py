"""Bytes of code that are the scenario's own: scenario.py IMAGE, which was built with line tables.

An instruction belongs to where its source stands, also when that was inlined into another's function; one of Rust's own
`core` belongs to its caller. So what the library gets inlined into the scenario is the library's. Its texts are not
counted here, though a few hundred bytes of the constants are the scenario's.
"""

import re
import subprocess
import sys

IMAGE = sys.argv[1]
OWN = re.compile(r"firmware/src/(?!report|start)")


def lines(tool, *arguments, stdin=""):
    command = [f"arm-none-eabi-{tool}", *arguments, IMAGE]
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout.splitlines()


addresses = set()
for line in lines("nm", "--radix=d", "-S"):
    if function := re.match(r"(\d+) (\d+) [tTwW] ", line):
        start = int(function[1]) & ~1
        addresses.update(range(start, start + int(function[2]), 2))

# Each address, then the places it was inlined through, innermost first.
own, decided = 0, True
for line in lines("addr2line", "-a", "-i", "-e", stdin="\n".join(map(hex, addresses))):
    if re.fullmatch(r"0x[0-9a-f]{8}", line):
        decided = False
    elif not decided and "/library/" not in line and not line.startswith("?"):
        own, decided = own + 2 * bool(OWN.search(line)), True
print(own)
