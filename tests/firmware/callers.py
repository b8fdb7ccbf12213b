"""Who reaches the panic handler: reads `objdump -d -C` of an image, prints each caller and what it calls, nearest first."""

import re
import sys

START = re.compile(r"^[0-9a-f]+ <(.*)>:$")
TO = re.compile(r"\t(?:bl?|b\.w|b\.n|bl\.w|\.word)\S*\t.*<(.*?)(?:\+0x[0-9a-f]+)?>$")

callers = {}
inside = None
for line in sys.stdin:
    if start := START.match(line.rstrip()):
        inside = start[1]
    elif (to := TO.search(line.rstrip())) and to[1] != inside:
        callers.setdefault(to[1], []).append(inside)

front = [name for name in callers if name.endswith("rust_begin_unwind")]
seen = set(front)
while front:
    called = front.pop(0)
    for caller in dict.fromkeys(callers.get(called, [])):
        print(f"  {caller}\n      calls {called}")
        if caller not in seen:
            seen.add(caller)
            front.append(caller)
