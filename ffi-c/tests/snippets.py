"""The C in a Markdown file, for tests/readme.c to compile: snippets.py FILE… prints what stands between ```c and ```."""

import re
import sys

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        blocks = re.findall(r"^```c\n(.*?)^```$", file.read(), flags=re.M | re.S)
    if not blocks:
        sys.exit(f"{path}: no C in it")
    print("\n".join(blocks))
